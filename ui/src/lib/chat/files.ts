/** Files that a person adds to a message, as they are before the gateway has them. */
import { t } from "$lib/strings";
import { bytes } from "$lib/strings/format";
import type { Content } from "$lib/gateway/wire";
import { newId } from "./ids";

export interface LocalFile {
  /** Stands for the gateway's id until there is one. */
  id: string;
  name: string;
  mimeType: string;
  bytes: Uint8Array<ArrayBuffer>;
}

export type Attached = Extract<Content, { type: "image" | "file" }>;

/** The gateway's own limits; one frame of 25 MiB carries all files of a message. */
export const MAX_FILES = 32;
export const MAX_FILE_BYTES = 16 * 1024 * 1024;
export const MAX_TOTAL_BYTES = 24 * 1024 * 1024;
const MAX_NAME = 255;
const TYPE = /^[\w!#$&^.+-]{1,60}\/[\w!#$&^.+-]{1,60}$/;
const LOCAL = "local:";
/** Other types may carry scripts, SVG among them, and are never put on the page. */
const SHOWN = ["image/png", "image/jpeg", "image/gif", "image/webp"];

export function isShown(mimeType: string): boolean {
  return SHOWN.includes(mimeType);
}

export function isAttached(block: Content): block is Attached {
  return block.type === "image" || block.type === "file";
}

/** Reads what fits beside the files that are there, and says in words what does not. */
export async function takeFiles(there: LocalFile[], added: File[]): Promise<{ files: LocalFile[]; problems: string[] }> {
  const files = [...there];
  const problems: string[] = [];
  let total = files.reduce((sum, file) => sum + file.bytes.length, 0);
  for (const file of added) {
    const problem = whyNot(file.name, file.size, files.length, total);
    const taken = problem ? undefined : await read(file);
    if (taken) {
      files.push(taken);
      total += taken.bytes.length;
    } else problems.push(problem || t.attach.unreadable(file.name));
  }
  return { files, problems: [...new Set(problems)] };
}

function whyNot(name: string, size: number, count: number, total: number): string {
  if (count >= MAX_FILES) return t.attach.tooMany(MAX_FILES);
  if (size === 0) return t.attach.isEmpty(name);
  if (size > MAX_FILE_BYTES) return t.attach.tooLarge(name, bytes(size), bytes(MAX_FILE_BYTES));
  return total + size > MAX_TOTAL_BYTES ? t.attach.tooMuch(name, bytes(MAX_TOTAL_BYTES)) : "";
}

/** The bytes are read at once: the file may be changed or gone by the time the message goes out. */
async function read(file: File): Promise<LocalFile | undefined> {
  try {
    return localFile(file.name, file.type, new Uint8Array(await file.arrayBuffer()));
  } catch {
    return undefined;
  }
}

export function localFile(name: string, mimeType: string, content: Uint8Array<ArrayBuffer>): LocalFile {
  const type = TYPE.test(mimeType) ? mimeType : "application/octet-stream";
  return { id: LOCAL + newId(), name: cleanName(name) || t.attach.unnamed, mimeType: type, bytes: content };
}

/** The gateway takes no paths and no control characters. What is too long keeps its end, which says what it is. */
function cleanName(given: string): string {
  const name = given.replace(/[/\\\p{Cc}]/gu, "_").trim();
  return name.length <= MAX_NAME ? name : `${name.slice(0, MAX_NAME - 96)}…${name.slice(-31)}`;
}

/** The parts of a message that is shown before the gateway has it. */
export function localContent(text: string, files: LocalFile[]): Content[] {
  const attached = files.map(({ id, name, mimeType, bytes: { length } }): Content => {
    const type = isShown(mimeType) ? "image" : "file";
    return { type, attachmentId: id, name, mimeType, sizeBytes: length, sha256: "" };
  });
  return [...(text ? [{ type: "text" as const, text }] : []), ...attached];
}
