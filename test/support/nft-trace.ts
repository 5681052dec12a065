/** NFT_MSG_TRACE as the kernel writes it: what the decoder is held to. */
import { VERDICT } from '../../src/kernel/netlink/nft/numbers.ts';
import { TRACE, type TraceMessage, traceTypes, traceVerdicts } from '../../src/kernel/netlink/nft/trace.ts';
import { MessageWriter } from '../../src/kernel/netlink/writer.ts';

/** nfgenmsg and attributes, without the header of the message. */
export function encodeTrace(trace: TraceMessage): Uint8Array {
  const { id, family, table, chain, type, handle, verdict, target, mark, network, transport } = trace;
  const writer = new MessageWriter().u8(family).u8(0).u16(0);
  writer.be32Attribute(TRACE.ID, id).be32Attribute(TRACE.TYPE, traceTypes.indexOf(type));
  writer.stringAttribute(TRACE.CHAIN, chain).stringAttribute(TRACE.TABLE, table);
  if (handle !== undefined) writer.be64Attribute(TRACE.HANDLE, handle);
  if (verdict !== undefined && type === 'policy')
    writer.be32Attribute(TRACE.POLICY, traceVerdicts[verdict] >>> 0);
  else if (verdict !== undefined)
    writer.nest(TRACE.VERDICT, () => {
      writer.be32Attribute(VERDICT.CODE, traceVerdicts[verdict] >>> 0);
      if (target !== undefined) writer.stringAttribute(VERDICT.CHAIN, target);
    });
  if (trace.in !== undefined) writer.be32Attribute(TRACE.IIF, trace.in);
  if (trace.out !== undefined) writer.be32Attribute(TRACE.OIF, trace.out);
  if (mark !== undefined) writer.be32Attribute(TRACE.MARK, mark);
  if (network !== undefined) writer.bytesAttribute(TRACE.NETWORK, network);
  if (transport !== undefined) writer.bytesAttribute(TRACE.TRANSPORT, transport);
  return writer.written.slice();
}
