const isDisk = /^(FSReq|CloseReq|FileHandleCloseReq)/;

/**
 * Resolves once this process waits for no disk and all that is ready has gone on. Between two steps of a virtual clock it
 * keeps time from running ahead of a slow disk: what takes the disk a second must not be a minute to those who wait for it.
 */
export async function diskIdle(): Promise<void> {
  do await new Promise((resolve) => setTimeout(resolve));
  while (process.getActiveResourcesInfo().some((name) => isDisk.test(name)));
}
