import { expect, test } from "vitest";
import { validate } from "./validate";

const send = { sessionKey: "main", message: "hello", idempotencyKey: "k" };

test.each([
  ["chat.send", send],
  ["chat.send", { ...send, thinking: "low", model: undefined }],
  ["chat.history", { sessionKey: "main", limit: 1000 }],
  ["events.subscribe", { sessions: "all", events: ["tick"] }],
  ["health", {}],
  ["connect", { minProtocol: 1, maxProtocol: 1, client: { id: "a", version: "1", platform: "linux", mode: "ui" } }],
])("%s %o is valid", (method, params) => {
  expect(validate(method, params)).toEqual([]);
});

test.each([
  ["chat.send", { ...send, mesage: "typo" }, "mesage"],
  ["chat.send", { sessionKey: "main", message: "x" }, "idempotencyKey"],
  ["chat.send", { ...send, idempotencyKey: "k".repeat(129) }, "/idempotencyKey"],
  ["chat.send", { ...send, thinking: "hard" }, "/thinking"],
  ["chat.history", { sessionKey: "main", limit: 0 }, "/limit"],
  ["events.subscribe", { events: [1] }, "/events"],
  ["no.method", {}, "no.method"],
])("%s %o is refused and says where", (method, params, where) => {
  expect(JSON.stringify(validate(method, params))).toContain(where);
});
