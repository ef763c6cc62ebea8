// @vitest-environment jsdom
import { beforeEach, expect, test, vi } from "vitest";
import { WebHost, takeFragmentToken } from "./web";

const TOKEN = "0123456789abcdef".repeat(4);

function at(path: string): void {
  window.history.replaceState(null, "", path);
}

beforeEach(() => {
  sessionStorage.clear();
  localStorage.clear();
  at("/");
});

test("a token in the fragment is read once and erased", async () => {
  at(`/?a=1#token=${TOKEN}`);
  const host = new WebHost(window);
  expect(window.location.href).toBe(`${window.location.origin}/?a=1`);
  expect(await host.endpoint()).toEqual({ url: `ws://${window.location.host}/ws`, token: TOKEN });
  expect((await new WebHost(window).endpoint()).token).toBe(TOKEN);
  expect(localStorage).toHaveLength(0);
});

test.each([
  `#token=${TOKEN}0`,
  `#token=${TOKEN.toUpperCase()}`,
  "#token=short",
  "#token=",
  `#token=${TOKEN}&url=ws://evil.example`,
  `#TOKEN=${TOKEN}`,
  `#tokens=${TOKEN}`,
])("%s is no token, and is erased all the same", (fragment) => {
  at(`/${fragment}`);
  expect(takeFragmentToken(window)).toBeUndefined();
  expect(window.location.hash).toBe("");
});

test("a page's own fragment is left alone", () => {
  at("/#/chat/agent%3Amain%3Amain");
  expect(takeFragmentToken(window)).toBeUndefined();
  expect(window.location.hash).toBe("#/chat/agent%3Amain%3Amain");
});

test.each([
  `/?token=${TOKEN}`,
  "/?url=ws://evil.example/ws",
  "/?gatewayUrl=ws://evil.example&token=x",
  "/?endpoint=//evil.example",
  "/#url=ws://evil.example",
  "/#/chat/ws://evil.example",
  "/?ws=ws://evil.example",
  "/#gateway=wss://evil.example",
  "/evil.example/ws",
  "//?host=evil.example",
  "/?#/ws://evil.example",
  "/#%74oken=ws://evil.example",
])("neither endpoint nor token comes from %s", async (path) => {
  at(path.startsWith("//") ? `${window.location.origin}${path}` : path);
  expect(await new WebHost(window).endpoint()).toEqual({ url: `ws://${window.location.host}/ws`, token: undefined });
});

test("a typed token is kept for the tab, or for the browser, or forgotten", async () => {
  const host = new WebHost(window);
  host.saveToken(TOKEN, false);
  expect([sessionStorage.length, localStorage.length]).toEqual([1, 0]);
  host.saveToken(TOKEN, true);
  expect([sessionStorage.length, localStorage.length]).toEqual([1, 1]);
  sessionStorage.clear();
  expect((await new WebHost(window).endpoint()).token).toBe(TOKEN);
  host.forgetToken();
  expect([sessionStorage.length, localStorage.length]).toEqual([0, 0]);
  expect((await host.endpoint()).token).toBeUndefined();
});

test("notifications are shown only where the person allowed them, and lead back", async () => {
  const shown: { title: string; onclick?: () => void }[] = [];
  class Fake {
    static permission = "default";
    static requestPermission = (): Promise<string> => {
      Fake.permission = "granted";
      return Promise.resolve("granted");
    };
    onclick?: () => void;
    close = (): void => undefined;
    constructor(readonly title: string) {
      shown.push(this);
    }
  }
  const host = new WebHost(window);
  expect(host.notifications()).toBe("none");
  vi.stubGlobal("Notification", Fake);
  window.focus = () => undefined;
  const opened = vi.fn();
  host.notify("early", "", opened);
  expect([shown.length, host.notifications()]).toEqual([0, "ask"]);
  expect(await host.askToNotify()).toBe("granted");
  host.notify("report", "ready", opened);
  shown[0]!.onclick!();
  expect([shown.map(({ title }) => title), opened.mock.calls.length]).toEqual([["report"], 1]);
  Fake.permission = "denied";
  expect(host.notifications()).toBe("blocked");
  vi.unstubAllGlobals();
});
