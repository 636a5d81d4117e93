/**
 * The step library for TypeScript components: `import * as step from "mcpanel:step"`.
 *
 *     step.log.info("loaded", { rows: 3 });                       a structured log line
 *     step.progress(0.4, "half way");                             how far the step is, 0 to 1
 *     step.preview({ rows: 3 });                                  a JSON value shown while the step runs
 *     await step.artifact("report.md", "# Report");               stores bytes or text; {path: "…"} for a file
 *     await step.readArtifact(stored);                            the bytes of a file that a step of the run has stored
 *     await step.datasource("sample").query("SELECT 1 AS one");   rows as objects, from a linked data source
 *     await step.datasource("sample").write("orders", rows);      writes rows into a table, where the data source allows it
 *     await step.secret("signing-key");                           the value of a linked secret
 *     await fetchAll({ signal: step.cancelled() });               tells when the step is asked to stop
 *     step.context.runId                                          also stepId, attempt, epoch, idempotencyKey
 */

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** What this execution is. `idempotencyKey` is the same for every attempt of a step; `epoch` grows. */
export interface Context {
  runId: string;
  stepId: string;
  attempt: number;
  epoch: number;
  idempotencyKey: string;
}

/** What the platform stored. */
export interface Artifact {
  artifact_id: string;
  name: string;
  media_type: string;
  size: number;
  sha256: string;
}

/**
 * A query's rows. `columns` are the names in order, `types` the database's words for their types; `truncated` says that
 * there were more rows.
 */
export type Rows = Record<string, Json>[] & { columns: string[]; types: string[]; truncated: boolean };

/** The platform refused a request of this step; the message says why. */
export class StepError extends Error {
  override name = "StepError";
}

/** A query or a write failed, or the data source is not linked to this component version. */
export class DataSourceError extends StepError {
  override name = "DataSourceError";
}

/** A secret cannot be read, or is not linked to this component version. */
export class SecretError extends StepError {
  override name = "SecretError";
}

interface Connection {
  context: Context;
  sendJson(message: unknown, payload?: Uint8Array): void;
  sendBytes(payload: Uint8Array): void;
  receive(): Promise<{ json?: Record<string, Json>; bytes?: Uint8Array }>;
  exclusive<T>(work: () => Promise<T>): Promise<T>;
  cancelled(): AbortSignal;
  encode(value: unknown, limit: number, where: string): Uint8Array;
}

function connection(): Connection {
  const found = (globalThis as Record<symbol, unknown>)[Symbol.for("mcpanel.step")];
  if (!found) throw new StepError("mcpanel:step works only inside a running step");
  return found as Connection;
}

const CHUNK = 256 * 1024;
const BATCH = 256 * 1024;
const FRAME = 8 * 1024 * 1024;
const LINE_LIMIT = 12 * 1024;
const PREVIEW_LIMIT = 64 * 1024;
const MEDIA_TYPES: Record<string, string> = {
  css: "text/css",
  csv: "text/csv",
  gif: "image/gif",
  gz: "application/gzip",
  html: "text/html",
  ipynb: "application/x-ipynb+json",
  jpeg: "image/jpeg",
  jpg: "image/jpeg",
  js: "text/javascript",
  json: "application/json",
  jsonl: "application/jsonl",
  md: "text/markdown",
  mp3: "audio/mpeg",
  mp4: "video/mp4",
  ndjson: "application/x-ndjson",
  parquet: "application/vnd.apache.parquet",
  pdf: "application/pdf",
  png: "image/png",
  svg: "image/svg+xml",
  tar: "application/x-tar",
  tsv: "text/tab-separated-values",
  txt: "text/plain",
  wav: "audio/wav",
  webm: "video/webm",
  webp: "image/webp",
  xlsx: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
  xml: "text/xml",
  yaml: "application/yaml",
  yml: "application/yaml",
  zip: "application/zip",
};

function marked(level: string, message: string): Uint8Array {
  return new TextEncoder().encode(`\0J${JSON.stringify({ level, message })}\n`);
}

function shown(value: unknown): string {
  return typeof value === "object" && value !== null ? Deno.inspect(value, { compact: true, breakLength: Infinity }) : `${value}`;
}

function line(level: string) {
  return (message: unknown, fields: Record<string, unknown> = {}): void => {
    const extra = Object.entries(fields).map(([key, value]) => ` ${key}=${shown(value)}`).join("");
    let text = String(message) + extra;
    let bytes = marked(level, text);
    while (bytes.length > LINE_LIMIT) {
      text = `${text.slice(0, text.length / 2)} …`;
      bytes = marked(level, text);
    }
    // Through standard output, marked, so that it keeps its place among what is printed.
    for (let sent = 0; sent < bytes.length;) sent += Deno.stdout.writeSync(bytes.subarray(sent));
  };
}

/** Log lines with a level and fields. */
export const log = { debug: line("DEBUG"), info: line("INFO"), warning: line("WARNING"), error: line("ERROR") };

/** What this execution is. */
export const context: Context = new Proxy({} as Context, {
  get: (_, name) => connection().context[name as keyof Context],
  ownKeys: () => Reflect.ownKeys(connection().context),
  getOwnPropertyDescriptor: (_, name) => Object.getOwnPropertyDescriptor(connection().context, name),
});

/** Says how far the step is: a fraction from 0 to 1, and optionally a few words. */
export function progress(fraction: number, message = ""): void {
  if (!(fraction >= 0 && fraction <= 1)) throw new RangeError(`progress takes a fraction from 0 to 1, not ${fraction}`);
  connection().sendJson({ t: "progress", fraction, message: String(message).slice(0, 1000) });
}

/** Shows a JSON value (64 KiB at most) to whoever watches the run; a later one replaces it. */
export function preview(value: unknown): void {
  const link = connection();
  link.sendJson({ t: "preview" }, link.encode(value, PREVIEW_LIMIT, "preview"));
}

/**
 * Stores bytes, text, or the file at `{path}` under a name of the run. Throws StepError when it cannot be stored, and what
 * reading the file throws.
 */
export async function artifact(
  name: string,
  data: Uint8Array | string | { path: string },
  mediaType?: string,
): Promise<Artifact> {
  if (typeof name !== "string" || !name || name.includes("\0")) throw new TypeError("an artifact needs a name");
  const link = connection();
  const type = mediaType ?? MEDIA_TYPES[name.split(".").pop()!.toLowerCase()] ?? "application/octet-stream";
  return await link.exclusive(async () => {
    link.sendJson({ t: "artifact", name, media_type: type });
    try {
      for await (const chunk of chunks(data)) link.sendBytes(chunk);
    } catch (error) {
      link.sendJson({ t: "artifact_abort" });
      await link.receive();
      throw error;
    }
    link.sendBytes(new Uint8Array());
    return answer((await link.receive()).json!, StepError) as unknown as Artifact;
  });
}

async function* chunks(data: Uint8Array | string | { path: string }): AsyncGenerator<Uint8Array> {
  if (typeof data === "string" || data instanceof Uint8Array) {
    const content = typeof data === "string" ? new TextEncoder().encode(data) : data;
    for (let start = 0; start < content.length; start += CHUNK) yield content.subarray(start, start + CHUNK);
    return;
  }
  using file = await Deno.open(data.path);
  const buffer = new Uint8Array(CHUNK);
  for (let got = await file.read(buffer); got !== null; got = await file.read(buffer)) yield buffer.slice(0, got);
}

/**
 * A signal that is given when the step is asked to stop: it has two seconds to put its things in order. Without it a step
 * that is cancelled just ends.
 */
export function cancelled(): AbortSignal {
  return connection().cancelled();
}

/** The content of a file that a step of this run has stored, by its id or its record. Throws StepError. */
export async function readArtifact(artifact: string | { artifact_id: string }): Promise<Uint8Array> {
  const id = typeof artifact === "string" ? artifact : artifact?.artifact_id;
  if (!id) throw new TypeError("readArtifact takes an artifact's id, or the record that artifact() returned");
  const link = connection();
  return await link.exclusive(async () => {
    link.sendJson({ t: "read", artifact_id: id });
    const parts: Uint8Array[] = [];
    for (;;) {
      const { json, bytes } = await link.receive();
      if (json) {
        answer(json, StepError);
        break;
      }
      parts.push(bytes!);
    }
    const content = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
    let at = 0;
    for (const part of parts) {
      content.set(part, at);
      at += part.length;
    }
    return content;
  });
}

/** The data source with this name. Only those linked to the component version can be queried. */
export function datasource(name: string): DataSource {
  return new DataSource(name);
}

/**
 * The value of the secret with this name. Only those linked to the component version can be asked for. From then on it is
 * masked in what the step prints, logs and previews; in outputs and artifacts it is not. Throws SecretError.
 */
export async function secret(name: string): Promise<string> {
  const link = connection();
  return await link.exclusive(async () => {
    link.sendJson({ t: "secret", name });
    return String(answer((await link.receive()).json!, SecretError).value);
  });
}

/** A linked data source. */
export class DataSource {
  constructor(readonly name: string) {}

  /**
   * Runs a read-only query; the rows as objects, `maxRows` at most. `params` are bound by the database: an array for
   * `%s`, an object for `%(name)s`. Throws DataSourceError.
   */
  async query(
    sql: string,
    params: Json[] | Record<string, Json> | null = [],
    { maxRows = 1000 }: { maxRows?: number } = {},
  ): Promise<Rows> {
    const link = connection();
    return await link.exclusive(async () => {
      link.sendJson({ t: "query", source: this.name, sql, params: params ?? [], max_rows: maxRows });
      const rows = Object.assign([], { columns: [], types: [], truncated: false }) as unknown as Rows;
      for (;;) {
        const { json, bytes } = await link.receive();
        if (bytes) {
          for (const values of JSON.parse(new TextDecoder().decode(bytes)) as Json[][]) {
            rows.push(Object.fromEntries(rows.columns.map((column, index) => [column, values[index]])));
          }
          continue;
        }
        const message = answer(json!, DataSourceError);
        if (message.columns) {
          rows.columns = message.columns as string[];
          rows.types = (message.types ?? []) as string[];
        }
        if (message.end) {
          const twice = rows.columns.find((name, index) => rows.columns.indexOf(name) !== index);
          if (twice !== undefined) {
            throw new DataSourceError(
              `the query answers several columns named '${twice}'; name each by itself, with AS`,
            );
          }
          rows.truncated = Boolean(message.truncated);
          return rows;
        }
      }
    });
  }

  /**
   * Writes the rows, objects by column, into a table that there is: all of them or none; how many. Columns that a row
   * leaves out take their defaults. With `replace` the rows that there are go first; without, a step that runs again may
   * write its rows twice. Throws DataSourceError, naming row and column.
   */
  async write(
    table: string,
    rows: Iterable<Record<string, Json>>,
    { replace = false }: { replace?: boolean } = {},
  ): Promise<number> {
    const link = connection();
    const payloads = [...batches(link, rows)]; // what is wrong with them is said before any of them is sent
    return await link.exclusive(async () => {
      link.sendJson({ t: "write", source: this.name, table, replace });
      for (const payload of payloads) link.sendBytes(payload);
      link.sendBytes(new Uint8Array());
      return Number(answer((await link.receive()).json!, DataSourceError).rows);
    });
  }
}

/** The rows in their order, as JSON of `{columns, rows}`: in each part those that have the same columns. */
function* batches(link: Connection, rows: Iterable<Record<string, Json>>): Generator<Uint8Array> {
  let columns: string[] = [];
  let values: Json[][] = [];
  let size = 0;
  let number = 0;
  for (const row of rows) {
    number += 1;
    const names = Object.keys(row ?? {});
    if (names.length === 0 || Array.isArray(row)) {
      throw new TypeError(`row ${number} has to be an object with a value for at least one column`);
    }
    const same = names.length === columns.length && columns.every((name) => Object.hasOwn(row, name));
    if (values.length > 0 && (!same || size > BATCH || values.length === 1000)) {
      yield link.encode({ columns, rows: values }, FRAME, `the rows up to row ${number}`);
      values = [];
      size = 0;
    }
    if (values.length === 0) columns = names;
    const found = columns.map((name) => row[name] ?? null);
    values.push(found);
    size += link.encode(found, FRAME, `row ${number}`).length;
  }
  if (values.length > 0) yield link.encode({ columns, rows: values }, FRAME, "the rows");
}

function answer(message: Record<string, Json>, Kind: typeof StepError): Record<string, Json> {
  if (message.error) throw new Kind(String(message.error));
  return message;
}
