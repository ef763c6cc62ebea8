import { answers, ask, composer, expect, expectAccessible, expectFits, mine, open, sessionPath, test } from "./page";

for (const colorScheme of ["light", "dark"] as const) {
  for (const width of [1280, 400]) {
    test.describe(`${colorScheme}, ${width} px`, () => {
      test.use({ colorScheme, viewport: { width, height: 800 } });

      test("chat has no accessibility finding and nothing sticks out", async ({ page }) => {
        await open(page, sessionPath(`look-${colorScheme}-${width}`));
        await expectAccessible(page);
        await composer(page).fill("What can you do?");
        await page.keyboard.press("Enter");
        await expect(answers(page)).toHaveCount(1);
        await expect(page.getByRole("button", { name: "Stop" })).toBeHidden();
        await expectAccessible(page);
        await expectFits(page);
      });

      test("files, an edit and the palette have no accessibility finding and nothing sticks out", async ({ page }) => {
        const fits = async (): Promise<void> => {
          await expectAccessible(page);
          await expectFits(page);
        };
        await open(page, sessionPath(`states-${colorScheme}-${width}`));
        await page.locator("input[type=file]").setInputFiles([
          { name: "a name that is too long for the chip it is shown in.txt", mimeType: "text/plain", buffer: Buffer.from("x") },
          { name: "empty.txt", mimeType: "text/plain", buffer: Buffer.from("") },
        ]);
        await expect(page.getByRole("alert")).toContainText("is empty");
        await fits();
        await page.getByRole("button", { name: /^Remove/ }).click();
        await ask(page, "What can you do?");
        await mine(page).hover();
        await page.getByRole("button", { name: "Edit message" }).click();
        await fits();
        await page.keyboard.press("Escape");
        await page.keyboard.press("Control+k");
        await expect(page.getByRole("listbox", { name: "Commands" }).getByRole("option").first()).toBeVisible();
        await fits();
        await page.getByRole("combobox", { name: "Search sessions and commands" }).fill("no such thing at all");
        await expect(page.getByText("Nothing is called")).toBeVisible();
        await fits();
      });

      test("health has no accessibility finding and nothing sticks out", async ({ page }) => {
        await open(page, "#/health");
        await expect(page.getByRole("heading", { name: "Subsystems" })).toBeVisible();
        // A few lines of the log stand for all: the search for findings takes its time for each.
        await page.getByRole("searchbox", { name: "Filter the log" }).fill("startup");
        await expectAccessible(page);
        await expectFits(page);
      });
    });
  }
}

test("health names every step of the start and filters the log", async ({ page }) => {
  await open(page, "#/health");
  for (const step of ["config", "plugins", "models", "channels", "server", "maintenance", "discovery"]) {
    await expect(page.getByRole("listitem").filter({ hasText: step }).first()).toBeVisible();
  }
  const log = page.getByRole("region", { name: "Log" });
  await expect(log.locator("p").first()).toBeVisible();
  await page.getByRole("searchbox", { name: "Filter the log" }).fill("no line says this");
  await expect(log).toHaveText("Nothing matches the filter.");
  await page.getByRole("button", { name: "Check now" }).click();
  await expect(page.getByRole("button", { name: "Check now" })).toBeEnabled();
});
