/** The models that can be asked. */
import type { GatewayClient } from "$lib/gateway/client";
import type { ModelRow, Thinking } from "$lib/gateway/wire";
import { t } from "$lib/strings";
import type { Choice } from "./storage";

export class ModelList {
  rows = $state.raw<ModelRow[]>([]);
  readonly #client: GatewayClient;

  constructor(client: GatewayClient) {
    this.#client = client;
    client.on("models.changed", () => void this.refresh());
  }

  async refresh(): Promise<void> {
    try {
      this.rows = (await this.#client.call("models.list", {})).models;
    } catch {
      // Without the list the gateway still chooses by itself.
    }
  }
}

export interface ModelOption {
  id: string;
  label: string;
  disabled: boolean;
}

/** By provider, each with the reason where it cannot be chosen; a remembered one stays even when it is gone. */
export function modelOptions(rows: ModelRow[], chosen: string | undefined): { provider: string; options: ModelOption[] }[] {
  const groups = new Map<string, ModelOption[]>();
  const add = (provider: string, option: ModelOption): void => {
    groups.set(provider, [...(groups.get(provider) ?? []), option]);
  };
  for (const { id, name, provider, available, reason } of rows) {
    const label = available ? name : t.picker.unavailable(name, reason || t.picker.unknownReason);
    add(provider, { id, label, disabled: !available });
  }
  if (chosen && !rows.some((row) => row.id === chosen)) {
    const [provider = "", ...name] = chosen.split("/");
    add(provider, { id: chosen, label: t.picker.unavailable(name.join("/"), t.picker.gone), disabled: true });
  }
  return [...groups].map(([provider, options]) => ({ provider, options }));
}

/** Thinking is offered where the model that would answer knows it. */
export function canThink(rows: ModelRow[], { model }: Choice, resolved: string | undefined): boolean {
  return rows.find((row) => row.id === (model ?? resolved))?.reasoning === true;
}

/** The choice with another model, without a thinking level that this one does not know. */
export function withModel(choice: Choice, model: string, rows: ModelRow[], resolved: string | undefined): Choice {
  const next: Choice = { ...(model && { model }) };
  return choice.thinking && canThink(rows, next, resolved) ? { ...next, thinking: choice.thinking } : next;
}

export function withThinking({ model }: Choice, thinking: Thinking | ""): Choice {
  return { ...(model && { model }), ...(thinking && { thinking }) };
}
