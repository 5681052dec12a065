// Command cri asks a container runtime as kubelet does: cri SOCKET SERVICE/METHOD, the request as JSON on standard input, the
// answer as JSON on standard output. Debian 12 has no crictl; this is what the tests need of one.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"
	_ "k8s.io/cri-api/pkg/apis/runtime/v1"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: cri SOCKET RuntimeService/METHOD < request.json")
		os.Exit(2)
	}
	if err := ask(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func ask(socket, name string) error {
	service, method, _ := strings.Cut(name, "/")
	found, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName("runtime.v1." + service))
	if err != nil {
		return err
	}
	services, ok := found.(protoreflect.ServiceDescriptor)
	if !ok {
		return fmt.Errorf("%s is not a service", service)
	}
	called := services.Methods().ByName(protoreflect.Name(method))
	if called == nil {
		return fmt.Errorf("%s has no method %s", service, method)
	}
	text, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	request, answer := dynamicpb.NewMessage(called.Input()), dynamicpb.NewMessage(called.Output())
	if err := protojson.Unmarshal(text, request); err != nil {
		return err
	}
	connection, err := grpc.NewClient("unix://"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer connection.Close()
	deadline, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	if err := connection.Invoke(deadline, "/runtime.v1."+name, request, answer); err != nil {
		return err
	}
	printed, err := protojson.Marshal(answer)
	if err != nil {
		return err
	}
	_, err = fmt.Println(string(printed))
	return err
}
