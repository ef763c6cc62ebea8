/** Approvals and rows of the record in words. */
import type { Approval, ApprovalAction, AuditEntry } from "$lib/gateway/wire";
import { t } from "$lib/strings";
import { literal } from "./marks";

type Outcome = Pick<Approval, "state" | "decision" | "decidedBy" | "reason">;

/** `Allowed once · by Anna, in the chat`. */
export function outcome({ state, decision, decidedBy, reason }: Outcome, own = false): string {
  const how = decision ? t.approvals.how[decision] : "";
  const done = how ? `${t.approvals.outcome[state]} ${how}` : t.approvals.outcome[state];
  return [done, own ? t.approvals.byYou : who(decidedBy), reason].filter(Boolean).join(" · ");
}

/** One line of it, for lists. */
export function headline({ argv, script, path, url, description }: ApprovalAction): string {
  if (argv.length > 0) return argv.join(" ");
  return script?.split("\n")[0] ?? url ?? path ?? description ?? "";
}

/** What a row of the record is about. */
export function subject({ action, rule, approvalId }: AuditEntry): string {
  if (action) return headline(action);
  return rule ? rule.words || literal([rule.program, ...rule.argv.slice(1)].join(" ")) : (approvalId ?? "");
}

export function event({ kind, state, decision, decidedBy, reason, sandbox }: AuditEntry): string {
  if (kind === "resolved" && state) return outcome({ state, ...(decision && { decision }), ...(decidedBy && { decidedBy }), ...(reason && { reason }) });
  const held = sandbox === undefined ? "" : t.approvals.heldBy(sandbox);
  return [t.approvals.kinds[kind], held, who(decidedBy), reason].filter(Boolean).join(" · ");
}

/** Rows that have all words of a filter. */
export function matching(rows: AuditEntry[], query: string): AuditEntry[] {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  return rows.filter((row) => {
    const text = `${subject(row)} ${event(row)} ${row.agentId ?? ""} ${row.sessionKey ?? ""}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
}

function who(by: Approval["decidedBy"]): string {
  return by ? t.approvals.by(by.user, t.approvals.surfaces[by.surface] ?? by.surface) : "";
}
