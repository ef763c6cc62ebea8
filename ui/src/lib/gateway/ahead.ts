/** What the gateway is getting and the generated types do not have yet; goes when they do. */

export interface AttachmentsGet {
  params: { attachmentId: string; offset?: number };
  result: {
    attachmentId: string;
    name: string;
    mimeType: string;
    sizeBytes: number;
    sha256: string;
    offset: number;
    /** Base64 text in JSON, the bytes themselves in MessagePack. */
    content: string;
    /** Present where more follows. */
    nextOffset?: number;
  };
}

export const AHEAD: Record<string, object> = {
  "attachments.get": {
    type: "object",
    additionalProperties: false,
    properties: { attachmentId: { type: "string", minLength: 1 }, offset: { type: "integer", minimum: 0 } },
    required: ["attachmentId"],
  },
};
