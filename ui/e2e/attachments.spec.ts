import { deflateSync } from "node:zlib";
import type { Page } from "@playwright/test";
import { answers, composer, expect, expectAccessible, mine, open, sessionPath, test } from "./page";

/** A picture of one colour. */
function png(side: number): Buffer {
  const chunk = (type: string, data: Buffer): Buffer => {
    const body = Buffer.concat([Buffer.from(type), data]);
    const ends = Buffer.alloc(8);
    ends.writeUInt32BE(data.length, 0);
    ends.writeUInt32BE(crc(body), 4);
    return Buffer.concat([ends.subarray(0, 4), body, ends.subarray(4)]);
  };
  const head = Buffer.alloc(13);
  head.writeUInt32BE(side, 0);
  head.writeUInt32BE(side, 4);
  head.set([8, 2], 8);
  const line = Buffer.concat([Buffer.from([0]), Buffer.alloc(side * 3, Buffer.from([194, 65, 12]))]);
  const pixels = deflateSync(Buffer.concat(Array.from({ length: side }, () => line)));
  const signature = Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]);
  return Buffer.concat([signature, chunk("IHDR", head), chunk("IDAT", pixels), chunk("IEND", Buffer.alloc(0))]);
}

function crc(bytes: Buffer): number {
  let value = ~0;
  for (const byte of bytes) {
    value ^= byte;
    for (let bit = 0; bit < 8; bit += 1) value = (value >>> 1) ^ (value & 1 ? 0xedb88320 : 0);
  }
  return ~value >>> 0;
}

interface Given {
  name: string;
  type: string;
  base64: string;
}

/** Files as the system hands them over with a drop or from the clipboard. */
async function hand(page: Page, event: "drop" | "paste", files: Given[]): Promise<void> {
  await page.evaluate(
    ({ event, files }) => {
      const data = new DataTransfer();
      for (const { name, type, base64 } of files) {
        const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
        data.items.add(new File([bytes], name, { type }));
      }
      const options = { bubbles: true, cancelable: true };
      if (event === "paste") {
        document.querySelector("textarea")!.dispatchEvent(new ClipboardEvent("paste", { ...options, clipboardData: data }));
        return;
      }
      const target = document.querySelector("section.pane")!;
      target.dispatchEvent(new DragEvent("dragover", { ...options, dataTransfer: data }));
      target.dispatchEvent(new DragEvent("drop", { ...options, dataTransfer: data }));
    },
    { event, files },
  );
}

const picture: Given = { name: "red.png", type: "image/png", base64: png(64).toString("base64") };
const chips = (page: Page) => page.getByRole("list", { name: "Files of this message" }).getByRole("listitem");

for (const way of ["drop", "paste", "button"] as const) {
  test(`a picture by ${way} is sent without a word, shown, opened and there after a reload`, async ({ page }) => {
    await open(page, sessionPath(`file-${way}`));
    if (way === "button") {
      const chooser = page.waitForEvent("filechooser");
      await page.getByRole("button", { name: "Add files" }).click();
      await (await chooser).setFiles({ name: picture.name, mimeType: picture.type, buffer: png(64) });
    } else await hand(page, way, [picture]);
    await expect(chips(page)).toContainText("red.png");
    await expectAccessible(page);
    await page.getByRole("button", { name: "Send" }).click();
    await expect(chips(page)).toHaveCount(0);
    const image = mine(page).getByRole("img", { name: "red.png" });
    const drawn = () => image.evaluate((element: HTMLImageElement) => element.naturalWidth);
    await expect.poll(drawn).toBe(64);
    await expect(answers(page)).toHaveCount(1);
    await page.reload();
    await expect.poll(drawn).toBe(64);
    await mine(page).getByRole("button", { name: "Open red.png" }).click();
    const dialog = page.getByRole("dialog", { name: "red.png" });
    await expect(dialog.getByRole("img")).toBeVisible();
    await expectAccessible(page);
    await page.keyboard.press("Escape");
    await expect(dialog).toBeHidden();
  });
}

test("a file comes back as it was, and what could act is never drawn", async ({ page }) => {
  await open(page, sessionPath("file-down"));
  const bytes = Buffer.alloc(300_000, "0123456789");
  const svg = Buffer.from("<svg xmlns='http://www.w3.org/2000/svg'><script>window.acted = true</script></svg>");
  await hand(page, "drop", [
    { name: "data.bin", type: "", base64: bytes.toString("base64") },
    { name: "drawing.svg", type: "image/svg+xml", base64: svg.toString("base64") },
  ]);
  await expect(chips(page)).toHaveCount(2);
  await composer(page).fill("two files");
  await page.keyboard.press("Enter");
  await expect(answers(page)).toHaveCount(1);
  await page.reload();
  await expect(mine(page).getByRole("button", { name: "Download drawing.svg" })).toBeVisible();
  await expect(mine(page).locator("img")).toHaveCount(0);
  const download = page.waitForEvent("download");
  await mine(page).getByRole("button", { name: "Download data.bin" }).click();
  const saved = await download;
  expect(saved.suggestedFilename()).toBe("data.bin");
  const chunks: Buffer[] = [];
  for await (const chunk of await saved.createReadStream()) chunks.push(chunk as Buffer);
  expect(Buffer.concat(chunks).equals(bytes)).toBe(true);
});

test("what is too much is said before anything is sent, and a chip can be taken away", async ({ page }) => {
  await open(page, sessionPath("file-limits"));
  await page.evaluate(() => {
    const data = new DataTransfer();
    data.items.add(new File([new Uint8Array(17_500_000)], "film.mp4"));
    data.items.add(new File([], "nothing.txt"));
    data.items.add(new File(["kept"], "kept.txt"));
    document.querySelector("section.pane")!.dispatchEvent(new DragEvent("drop", { bubbles: true, cancelable: true, dataTransfer: data }));
  });
  await expect(page.getByRole("alert")).toContainText("“film.mp4” is too large");
  await expect(page.getByRole("alert")).toContainText("“nothing.txt” is empty");
  await expect(chips(page)).toHaveCount(1);
  await page.getByRole("button", { name: "Remove kept.txt" }).click();
  await expect(chips(page)).toHaveCount(0);
  await expect(page.getByRole("button", { name: "Send" })).toBeDisabled();
});

test("files wait with their message for the connection; after a reload they are asked for", async ({ page }) => {
  let online = true;
  const sockets: { close: () => void }[] = [];
  await page.routeWebSocket(/\/ws$/, (socket) => {
    if (!online) return void socket.close({ code: 4999 });
    const gateway = socket.connectToServer();
    sockets.push({ close: () => (void gateway.close(), void socket.close({ code: 4999 })) });
  });
  await open(page, sessionPath("file-offline"));
  online = false;
  for (const socket of sockets) socket.close();
  await expect(page.getByText("Offline", { exact: true })).toBeVisible();
  await hand(page, "drop", [picture]);
  await composer(page).fill("with a picture");
  await page.keyboard.press("Enter");
  await expect(mine(page)).toContainText("Waits for the connection");
  await expect(mine(page).getByRole("img", { name: "red.png" })).toBeVisible();
  online = true;
  await expect(answers(page)).toHaveCount(1);
  await expect(mine(page).getByRole("img", { name: "red.png" })).toBeVisible();
  online = false;
  for (const socket of sockets) socket.close();
  await expect(page.getByText("Offline", { exact: true })).toBeVisible();
  await hand(page, "drop", [picture]);
  await composer(page).fill("another picture");
  await page.keyboard.press("Enter");
  await expect(mine(page).last()).toContainText("Waits for the connection");
  online = true;
  await page.reload();
  await expect(mine(page).last()).toContainText("no longer in this window (red.png)");
  await mine(page).last().getByRole("button", { name: "Edit", exact: true }).click();
  await expect(composer(page)).toHaveValue("another picture");
  await expect(page.getByRole("alert")).toContainText("Add them again: red.png");
});
