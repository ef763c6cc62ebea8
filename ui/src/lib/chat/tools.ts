/** Tool calls in words. */

/** A string as it is, text blocks joined, anything else as indented JSON. */
export function asText(value: unknown): string {
  if (value === undefined || value === null) return "";
  if (typeof value === "string") return value;
  if (Array.isArray(value) && value.every(isTextBlock)) return value.map((block) => block.text).join("\n");
  return JSON.stringify(value, null, 2);
}

/** The one argument that tells a call apart: a command, a path, an address. */
export function headline(input: unknown): string {
  if (typeof input === "string") return input;
  if (typeof input !== "object" || input === null) return "";
  const { argv, ...rest } = input as Record<string, unknown>;
  if (Array.isArray(argv)) return argv.join(" ");
  const first = Object.values(rest).find((value) => typeof value === "string");
  return typeof first === "string" ? first.slice(0, 200) : "";
}

function isTextBlock(value: unknown): value is { type: "text"; text: string } {
  return typeof value === "object" && value !== null && "text" in value && typeof value.text === "string";
}
