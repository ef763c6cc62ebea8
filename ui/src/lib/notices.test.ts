// @vitest-environment jsdom
import { beforeEach, expect, test, vi } from "vitest";
import type { Host, Permission } from "./host/host";
import { Notices } from "./notices.svelte";

beforeEach(() => localStorage.clear());

function host(kind: Host["kind"], answer: Permission, now: Permission = answer): Host & { notify: ReturnType<typeof vi.fn> } {
  const asked = vi.fn(() => Promise.resolve(answer));
  return { kind, notifications: () => now, askToNotify: asked, notify: vi.fn() } as never;
}
const hide = (value: boolean): Document => Object.defineProperty(document, "hidden", { configurable: true, value });
const tell = (notices: Notices): void => notices.tell("title", "body", () => undefined);

test("in a browser nothing is shown or asked before the person's click", async () => {
  hide(true);
  const web = host("web", "granted", "ask");
  const notices = new Notices(web);
  tell(notices);
  expect([notices.on, web.notify.mock.calls.length]).toEqual([false, 0]);
  expect(web.askToNotify).not.toHaveBeenCalled();
  await notices.toggle();
  tell(notices);
  expect([notices.on, web.notify.mock.calls.length]).toEqual([true, 1]);
  hide(false);
  tell(notices);
  expect(web.notify).toHaveBeenCalledTimes(1);
});

test("the choice is remembered, and a refusal is no choice for it", async () => {
  const first = new Notices(host("web", "granted"));
  await first.toggle();
  expect(new Notices(host("web", "granted")).on).toBe(true);
  await first.toggle();
  expect(new Notices(host("web", "granted")).on).toBe(false);
  const refused = new Notices(host("web", "blocked", "ask"));
  await refused.toggle();
  expect([refused.on, refused.permission]).toEqual([false, "blocked"]);
});

test("the desktop app notifies until it is told not to", async () => {
  hide(true);
  const tauri = host("tauri", "granted");
  const notices = new Notices(tauri);
  tell(notices);
  await notices.toggle();
  tell(notices);
  expect(tauri.notify).toHaveBeenCalledTimes(1);
});
