/** The communities that BGP itself gives a meaning, each as asn*65536+value. */

/** RFC 1997. */
export const noExport = 0xffff_ff01;
export const noAdvertise = 0xffff_ff02;
export const noExportSubconfed = 0xffff_ff03;
/** RFC 8326: the router that told it is about to go. */
export const gracefulShutdown = 0xffff_0000;
/** RFC 9494 §5: whoever told it has been away for long. */
export const llgrStale = 0xffff_0006;
/** RFC 7999: what is sent there shall be dropped. */
export const blackhole = 0xffff_029a;
