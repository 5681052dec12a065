{{/* "tortie", or "tortie" and the release's name if that is another. Names of cluster-wide objects do not carry it twice. */}}
{{- define "tortie.name" -}}
{{- if eq .Release.Name "tortie" }}tortie{{ else }}{{ printf "tortie-%s" .Release.Name | trunc 40 | trimSuffix "-" }}{{ end }}
{{- end }}

{{/* Labels that never change: selectors are made of them. Call with (dict "root" $ "component" NAME). */}}
{{- define "tortie.selector" -}}
app.kubernetes.io/name: tortie
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "tortie.labels" -}}
{{ include "tortie.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: tortie
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
{{- end }}

{{- define "tortie.image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{/* Where the API server is, before or without kube-proxy. */}}
{{- define "tortie.api" -}}
{{- with .Values.kubernetesService.host }}
- name: KUBERNETES_SERVICE_HOST
  value: {{ . | quote }}
{{- end }}
{{- with .Values.kubernetesService.port }}
- name: KUBERNETES_SERVICE_PORT
  value: {{ . | quote }}
{{- end }}
{{- end }}

{{/* ADDR:PORT as the daemons read it. Call with (dict "root" $ "port" PORT). */}}
{{- define "tortie.metrics" -}}
{{- $address := .root.Values.metrics.address -}}
{{ if contains ":" $address }}[{{ $address }}]{{ else }}{{ $address }}{{ end }}:{{ .port }}
{{- end }}

{{/* The host that a probe asks: the address itself, or loopback if every address is listened on. */}}
{{- define "tortie.probeHost" -}}
{{- $address := .Values.metrics.address -}}
{{ if eq $address "0.0.0.0" }}127.0.0.1{{ else if eq $address "::" }}::1{{ else }}{{ $address }}{{ end }}
{{- end }}

{{/*
startup: up within two minutes. liveness: the process answers, whatever the API server or a neighbour does.
readiness: sessions that policy names are up, policy is in sync. Call with (dict "root" $ "port" PORT).
*/}}
{{- define "tortie.probes" -}}
{{- $host := include "tortie.probeHost" .root -}}
startupProbe:
  httpGet: { host: {{ $host | quote }}, port: {{ .port }}, path: /livez }
  periodSeconds: 2
  failureThreshold: 60
livenessProbe:
  httpGet: { host: {{ $host | quote }}, port: {{ .port }}, path: /livez }
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet: { host: {{ $host | quote }}, port: {{ .port }}, path: /readyz }
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 3
{{- end }}

{{/* What no container of ours does without. Call with a list of capabilities. */}}
{{- define "tortie.security" -}}
allowPrivilegeEscalation: false
privileged: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
  {{- with . }}
  add: [{{ join ", " . }}]
  {{- end }}
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{/* Paths of docs are relative until somebody publishes them: monitoring.prometheusRule.runbookUrl. */}}
{{- define "tortie.loopback" -}}
{{- if or (hasPrefix "127." .Values.metrics.address) (eq "::1" .Values.metrics.address) }}yes{{ end }}
{{- end }}
