/** Checks the params of a call against the gateway's own schemas, without `eval`, which the page's policy forbids. */
import { Validator, type Schema } from "@cfworker/json-schema";
import type { Issue } from "./client";
import schemas from "./generated/params.json";

const validators = new Map<string, Validator>();

export function validate(method: string, params: object): Issue[] {
  const validator = validators.get(method) ?? compile(method);
  if (!validator) return [{ path: "", message: `no method ${method}` }];
  // What is undefined is not sent, and the schema would see it as a member; bytes stand for base64 text.
  const sent: unknown = JSON.parse(
    JSON.stringify(params, (_, value: unknown) => (value instanceof Uint8Array ? "" : value)),
  );
  const { valid, errors } = validator.validate(sent);
  if (valid) return [];
  return errors.map((error) => ({ path: error.instanceLocation.replace(/^#/, ""), message: error.error }));
}

function compile(method: string): Validator | undefined {
  const schema = (schemas.methods as Record<string, Schema>)[method];
  if (!schema) return undefined;
  const validator = new Validator({ ...schema, $defs: schemas.$defs } as Schema, "2020-12", false);
  validators.set(method, validator);
  return validator;
}
