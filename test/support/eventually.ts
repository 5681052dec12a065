/** Waiting by observing: asks again and again until the check passes, or fails with the last reason after `within` ms. */
export async function eventually<T>(
  check: () => T | Promise<T>,
  options: { readonly within: number; readonly every?: number },
): Promise<T> {
  const end = performance.now() + options.within;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (performance.now() > end) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, options.every ?? 20));
  }
}
