import { GatewayError } from "$lib/gateway/errors";
import { en, type Catalogue } from "./en";

export const t: Catalogue = en;
export const locale = "en";

/** What to tell a person about a failure: the gateway's own words first, which name the cause. */
export function describe(error: unknown): string {
  if (error instanceof GatewayError) return error.message || t.errors[error.code] || error.code;
  return error instanceof Error ? error.message : t.unknownError;
}
