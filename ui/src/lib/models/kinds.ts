/** The providers that can be added, and what each needs. */
import type { t } from "$lib/strings";

export interface Kind {
  id: keyof typeof t.models.kinds;
  api: "anthropic" | "openai" | "gemini" | "ollama";
  /** Asks for an address, and proposes this one. */
  url?: string;
  key: "required" | "optional" | "none";
  /** Where a person gets a key. */
  keysAt?: string;
}

export const KINDS: Kind[] = [
  { id: "anthropic", api: "anthropic", key: "required", keysAt: "https://console.anthropic.com/settings/keys" },
  { id: "openai", api: "openai", key: "required", keysAt: "https://platform.openai.com/api-keys" },
  { id: "gemini", api: "gemini", key: "required", keysAt: "https://aistudio.google.com/apikey" },
  { id: "compatible", api: "openai", url: "https://", key: "optional" },
  { id: "ollama", api: "ollama", url: "http://", key: "none" },
];

/** A free name for a provider of this kind. */
export function nameFor(kind: Kind, taken: string[]): string {
  const name = kind.id === "compatible" ? "custom" : kind.id;
  let at = 1;
  while (taken.includes(at === 1 ? name : `${name}-${at}`)) at += 1;
  return at === 1 ? name : `${name}-${at}`;
}
