/** What JSON can say. */

export type Json = string | number | boolean | null | readonly Json[] | JsonFields;

export interface JsonFields {
  readonly [key: string]: Json;
}
