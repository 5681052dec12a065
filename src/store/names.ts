/** DNS-1123 subdomain: the rule for most object names, and safe as a file's name. */
const subdomain = /^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/;

export const isSubdomain = (text: string): boolean => text.length <= 253 && subdomain.test(text);
