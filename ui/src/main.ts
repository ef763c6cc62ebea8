import { mount } from "svelte";
import "./app.css";
// Before anything is drawn.
import "$lib/theme.svelte";
import App from "./App.svelte";

const target = document.getElementById("app")!;
/** The window that asks, and nothing else. */
const asks = (): boolean => window.location.hash === "#/approval";

const asking = asks();
if (asking) void import("./ApprovalWindow.svelte").then(({ default: ApprovalWindow }) => mount(ApprovalWindow, { target }));
else mount(App, { target });
window.addEventListener("hashchange", () => {
  if (asks() !== asking) window.location.reload();
});
