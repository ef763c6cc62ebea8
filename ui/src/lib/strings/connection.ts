import type { Connection } from "$lib/gateway/client";
import { t } from ".";

/** The state of the connection as a sentence. */
export function connectionTitle(connection: Connection): string {
  const words = t.connection.title;
  if (connection.status === "connecting") return words.connecting;
  if (connection.status === "online") return words.online(connection.hello.server.version);
  if (connection.status === "needs-token") return words.needsToken;
  return connection.reason === "refused" ? words.refused(connection.detail ?? "") : words[connection.reason];
}
