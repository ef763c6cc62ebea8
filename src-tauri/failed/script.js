// The window about a start that failed. The app closes it when a start succeeds, and reloads it when one fails again.
const call = (command, args) => window.__TAURI_INTERNALS__.invoke(command, args);
const at = (id) => document.getElementById(id);

async function show() {
  const failure = await call("failure");
  if (!failure) return;
  at("sentence").textContent = failure.sentence;
  at("open-config").hidden = !failure.config;
  at("other-port").hidden = failure.code !== "PORT_TAKEN";
  at("retry").focus();
}

function on(id, command, args) {
  at(id).addEventListener("click", async () => {
    at("problem").textContent = "";
    try {
      await call(command, args);
    } catch (error) {
      at("problem").textContent = String(error);
    }
  });
}

on("retry", "start_again", { anyPort: false });
on("other-port", "start_again", { anyPort: true });
on("open-config", "open_config");
on("quit", "quit");
void show();
