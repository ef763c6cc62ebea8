// @vitest-environment jsdom
import { createHash } from "node:crypto";
import { beforeEach, expect, test, vi } from "vitest";
import { Blobs } from "./blobs";
import { Draft } from "./draft.svelte";
import { MAX_FILES, MAX_FILE_BYTES, localContent, localFile, takeFiles } from "./files";

const file = (name: string, size: number, type = ""): File => {
  const made = new File(["x"], name, { type });
  Object.defineProperty(made, "size", { value: size });
  Object.defineProperty(made, "arrayBuffer", { configurable: true, value: () => Promise.resolve(new ArrayBuffer(Math.min(size, 8))) });
  return made;
};
const bytes = (...values: number[]): Uint8Array<ArrayBuffer> => new Uint8Array(values);
const sha = (content: Uint8Array): string => createHash("sha256").update(content).digest("hex");
const urls = new Map<string, Blob>();

beforeEach(() => {
  urls.clear();
  URL.createObjectURL = (blob: Blob) => {
    const url = `blob:${urls.size}`;
    urls.set(url, blob);
    return url;
  };
  URL.revokeObjectURL = (url) => void urls.delete(url);
});

test("files within the limits are taken, the others are named with the reason", async () => {
  const added = [file("a.txt", 3), file("big.bin", 20 * 1024 * 1024), file("none", 0), file("b.txt", MAX_FILE_BYTES)];
  const { files, problems } = await takeFiles([], added);
  expect(files.map(({ name }) => name)).toEqual(["a.txt", "b.txt"]);
  expect(problems).toEqual(["“big.bin” is too large: 20 MB, and a file may have 16 MB.", "“none” is empty."]);
});

test("more than a frame carries, or more files than a message takes, is said once", async () => {
  const half = localFile("half", "", new Uint8Array(13 * 1024 * 1024));
  expect((await takeFiles([half], [file("more", 13 * 1024 * 1024)])).problems[0]).toContain("24 MB together");
  const many = Array.from({ length: MAX_FILES + 3 }, (_, at) => file(`${at}`, 1));
  const { files, problems } = await takeFiles([], many);
  expect([files.length, problems]).toEqual([MAX_FILES, ["A message takes at most 32 files."]]);
});

test("a folder or a file that cannot be read is no silent gap", async () => {
  const folder = file("folder", 4096);
  Object.defineProperty(folder, "arrayBuffer", { value: () => Promise.reject(new Error("is a folder")) });
  expect((await takeFiles([], [folder])).problems).toEqual(["“folder” could not be read. Folders cannot be added."]);
});

test("names and types are such as the gateway takes", () => {
  const name = (given: string): string => localFile(given, "", bytes(1)).name;
  expect(name("../a\\b\u0007.txt")).toBe(".._a_b_.txt");
  expect(name("")).toBe("file");
  expect(name(`${"x".repeat(300)}.tar.gz`)).toMatch(/^x+…x+\.tar\.gz$/);
  expect(name("x".repeat(400)).length).toBeLessThanOrEqual(255);
  expect(localFile("a", "text/plain;charset=utf-8", bytes(1)).mimeType).toBe("application/octet-stream");
});

test("only pictures that cannot act are drawn", () => {
  const types = ["image/png", "image/svg+xml", "text/html"].map((type) => localFile("x", type, bytes(1)));
  expect(localContent("", types).map(({ type }) => type)).toEqual(["image", "file", "file"]);
});

test("the draft keeps its files until they are taken, and gets them back", async () => {
  localStorage.clear();
  const draft = new Draft("k", new Blobs({ call: vi.fn() }));
  expect(draft.empty).toBe(true);
  await Promise.all([draft.addFiles([file("a", 1)]), draft.addFiles([file("b", 1)])]);
  expect(draft.empty).toBe(false);
  draft.removeFile(draft.files[0]!.id);
  draft.write(" look ");
  const taken = draft.take();
  expect([taken.text, taken.files.map(({ name }) => name), draft.empty]).toEqual(["look", ["b"], true]);
  draft.write("later");
  draft.putBack(taken.text, taken.files);
  expect([draft.text, draft.files.length]).toEqual(["look\nlater", 1]);
});

test("bytes come part by part, as bytes or as base64, once for all who show them", async () => {
  const call = vi.fn(async (_: string, { offset = 0 }: { offset?: number }) => {
    const content = offset === 0 ? bytes(1, 2, 3) : btoa("\u0004\u0005");
    return { offset, sizeBytes: 5, sha256: sha(bytes(1, 2, 3, 4, 5)), content, ...(offset === 0 && { nextOffset: 3 }) };
  });
  const blobs = new Blobs({ call: call as never });
  const [first, second] = await Promise.all([blobs.acquire("a", "image/png"), blobs.acquire("a", "image/png")]);
  expect(second).toBe(first);
  expect(call).toHaveBeenCalledTimes(2);
  expect(urls.get(first)).toMatchObject({ size: 5, type: "image/png" });
  expect([...(await blobs.bytes("a"))]).toEqual([1, 2, 3, 4, 5]);
});

test("a file that is not whole is an error, and is asked for anew the next time", async () => {
  const call = vi.fn(async () => ({ offset: 0, sizeBytes: 5, sha256: sha(bytes(1)), content: bytes(1) }));
  const blobs = new Blobs({ call: call as never });
  await expect(blobs.acquire("a", "image/png")).rejects.toThrow("did not arrive whole");
  await expect(blobs.acquire("a", "image/png")).rejects.toThrow();
  expect(call).toHaveBeenCalledTimes(2);
  call.mockResolvedValue({ offset: 0, sizeBytes: 1, sha256: sha(bytes(2)), content: bytes(1) });
  await expect(blobs.acquire("a", "image/png")).rejects.toThrow("did not arrive whole");
});

test("what a browser could act on gets a type that it does not", async () => {
  const blobs = new Blobs({ call: (async () => ({ offset: 0, sizeBytes: 1, sha256: sha(bytes(1)), content: bytes(1) })) as never });
  expect(urls.get(await blobs.acquire("a", "image/svg+xml"))!.type).toBe("application/octet-stream");
});

test("a picture of this tab keeps its address when the gateway has it", async () => {
  const call = vi.fn();
  const blobs = new Blobs({ call });
  const local = localFile("a.png", "image/png", bytes(1));
  blobs.keep(local);
  const url = await blobs.acquire(local.id, "image/png");
  blobs.adopt(local.id, "att-1");
  blobs.release(local.id);
  expect(await blobs.acquire("att-1", "image/png")).toBe(url);
  expect([urls.has(url), call.mock.calls.length]).toEqual([true, 0]);
});

test("bytes that nobody shows are given back, the longest unused first", async () => {
  const size = 30_000_000;
  const content = new Uint8Array(size);
  const call = vi.fn(async () => ({ offset: 0, sizeBytes: size, sha256: sha(content), content }));
  const blobs = new Blobs({ call: call as never });
  const addresses = [];
  for (const id of ["a", "b", "c"]) addresses.push(await blobs.acquire(id, "image/png"));
  for (const id of ["a", "b", "c"]) blobs.release(id);
  expect(addresses.map((url) => urls.has(url))).toEqual([false, true, true]);
});
