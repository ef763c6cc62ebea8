/** Light or dark: as the system says, or as the person chose on this browser. */
export type ThemeChoice = "system" | "light" | "dark";

const KEY = "simpleclaw.theme";
const CHOICES: ThemeChoice[] = ["system", "light", "dark"];

class Theme {
  choice = $state<ThemeChoice>("system");

  constructor() {
    this.#apply(CHOICES.find((choice) => choice === stored()) ?? "system");
  }

  choose(choice: ThemeChoice): void {
    this.#apply(choice);
    try {
      if (choice === "system") localStorage.removeItem(KEY);
      else localStorage.setItem(KEY, choice);
    } catch {
      // It then holds as long as the page.
    }
  }

  #apply(choice: ThemeChoice): void {
    this.choice = choice;
    if (choice === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = choice;
  }
}

function stored(): string | null {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}

export const theme = new Theme();
