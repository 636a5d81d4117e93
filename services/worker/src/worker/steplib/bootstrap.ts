/**
 * The process of one TypeScript attempt. It is started ahead of need and waits on descriptor 3 for its start frame;
 * then it imports the component and calls its `main`. The frames are described in inside/frames.py.
 */

const FRAME_LIMIT = 8 * 1024 * 1024;
const rx = Deno.openSync("/dev/fd/3", { read: true });
const tx = Deno.openSync("/dev/fd/4", { write: true });
const folder = Deno.args[0];
const encoder = new TextEncoder();
const decoder = new TextDecoder();

const CHUNK = 256 * 1024;

class InvalidOutput extends Error {}
class BadInput extends Error {}

async function exactly(count: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(count);
  let filled = 0;
  while (filled < count) {
    const got = await rx.read(bytes.subarray(filled));
    if (got === null) Deno.exit(0);
    filled += got;
  }
  return bytes;
}

async function frame(): Promise<{ kind: string; payload: Uint8Array }> {
  const head = await exactly(5);
  const length = new DataView(head.buffer).getUint32(0);
  return { kind: String.fromCharCode(head[4]), payload: await exactly(length) };
}

function send(kind: string, payload: Uint8Array): void {
  if (payload.length > FRAME_LIMIT) throw new RangeError(`a frame of ${payload.length} bytes is over ${FRAME_LIMIT}`);
  const bytes = new Uint8Array(5 + payload.length);
  new DataView(bytes.buffer).setUint32(0, payload.length);
  bytes[4] = kind.charCodeAt(0);
  bytes.set(payload, 5);
  for (let sent = 0; sent < bytes.length;) sent += tx.writeSync(bytes.subarray(sent));
}

function check(value: unknown, where: string, above: unknown[] = []): void {
  switch (typeof value) {
    case "string":
      if (value.includes("\0")) throw new InvalidOutput(`${where} holds a NUL character, which JSON stores cannot keep`);
      if (!value.isWellFormed()) throw new InvalidOutput(`${where} holds a lone surrogate, which is no valid text`);
      return;
    case "number":
      if (!Number.isFinite(value)) throw new InvalidOutput(`${where} is ${value}, which JSON cannot hold; return null or a string`);
      if (Number.isInteger(value) && Math.abs(value) > 2 ** 53) {
        throw new InvalidOutput(`${where} is ${value}, beyond 2^53; return it as a string`);
      }
      return;
    case "boolean":
    case "undefined":
      return;
    case "bigint":
      throw new InvalidOutput(`${where} is a bigint; return it as a string`);
    case "object":
      break;
    default:
      throw new InvalidOutput(`${where} is a ${typeof value}, which is not JSON`);
  }
  if (value === null || typeof (value as { toJSON?: unknown }).toJSON === "function") return;
  if (above.includes(value) || above.length > 100) {
    throw new InvalidOutput(
      `${where.slice(0, 200)} is nested more than 100 levels deep, or contains itself; ` +
        "an output of 256 KiB or less may be nested 30 levels deep",
    );
  }
  if (Array.isArray(value)) {
    value.forEach((item, index) => check(item, `${where}[${index}]`, [...above, value]));
    return;
  }
  if (ArrayBuffer.isView(value)) throw new InvalidOutput(`${where} is binary; store it with step.artifact(name, data)`);
  if (value instanceof Map || value instanceof Set) {
    throw new InvalidOutput(`${where} is a ${value.constructor.name}, which is not JSON; return an object or an array`);
  }
  for (const [key, item] of Object.entries(value)) {
    if (key.includes("\0")) throw new InvalidOutput(`${where} has a key with a NUL character`);
    check(item, `${where}.${key}`, [...above, value]);
  }
}

function encode(value: unknown, limit: number, where: string): Uint8Array {
  check(value, where);
  const bytes = encoder.encode(JSON.stringify(value) ?? "null");
  if (bytes.length > limit) {
    throw new InvalidOutput(
      `${where} is ${bytes.length.toLocaleString("en")} bytes of JSON, over the limit of ${limit.toLocaleString("en")}; ` +
        "store large results with step.artifact(name, data) and return a reference",
    );
  }
  return bytes;
}

/** How many items the lists in a value have, its own and those of its fields, by their JSON Pointers. */
function counts(value: unknown): Record<string, number> {
  if (Array.isArray(value)) return { "": value.length };
  const found: Record<string, number> = {};
  if (value === null || typeof value !== "object") return found;
  for (const [key, item] of Object.entries(value)) {
    if (Array.isArray(item) && Object.keys(found).length < 100 && key.length <= 200) {
      found["/" + key.replaceAll("~", "~0").replaceAll("/", "~1")] = item.length;
    }
  }
  return found;
}

function kind(value: unknown): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "list" : typeof value;
}

/**
 * What a value and its parts are, by their JSON Pointers: of an `object` every field is there as well. Objects that would
 * make the description long are named without their kind. Lists are not looked into.
 */
function kinds(value: unknown): Record<string, string> {
  const found = new Map([["", kind(value)]]);
  const waiting: [string, unknown][] = [["", value]];
  let size = 0;
  for (const [pointer, one] of waiting) { // grows on the way
    if (kind(one) !== "object") continue;
    const fields = Object.entries(one as object);
    if (found.size + fields.length <= 100) {
      const parts = fields.map(([key, item]): [string, unknown] => [
        `${pointer}/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`,
        item,
      ]);
      const longer = parts.reduce((sum, [part]) => sum + part.length, 0);
      if (size + longer <= 4000 && parts.every(([part]) => part.length <= 400)) {
        size += longer;
        for (const [part, item] of parts) found.set(part, kind(item));
        waiting.push(...parts);
        continue;
      }
    }
    found.set(pointer, "");
  }
  return Object.fromEntries(found);
}

/** The payloads of frames up to an empty one, as JSON. */
async function content(path: string[]): Promise<unknown> {
  const parts: Uint8Array[] = [];
  for (let part = (await frame()).payload; part.length > 0; part = (await frame()).payload) parts.push(part);
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let filled = 0;
  for (const part of parts) {
    bytes.set(part, filled);
    filled += part.length;
  }
  try {
    return JSON.parse(decoder.decode(bytes));
  } catch (error) {
    throw new BadInput(
      `the input '${path.join(".")}' is not JSON: the step it comes from wrote something else (${(error as Error).message})`,
    );
  }
}

/** The inputs with the values that come by themselves in their places. */
async function complete(inputs: unknown, paths: string[][]): Promise<unknown> {
  for (const path of paths) {
    const value = await content(path);
    if (path.length === 0) return value;
    // deno-lint-ignore no-explicit-any
    let inside = inputs as any;
    for (const key of path.slice(0, -1)) inside = inside[key];
    Object.defineProperty(inside, path[path.length - 1], { value, writable: true, enumerable: true, configurable: true });
  }
  return inputs;
}

async function output(bytes: Uint8Array, value: unknown): Promise<void> {
  send("J", encoder.encode(JSON.stringify({ t: "output", items: counts(value), kinds: kinds(value) })));
  for (let start = 0; start < bytes.length; start += CHUNK) send("B", bytes.subarray(start, start + CHUNK));
  send("B", new Uint8Array());
  await frame();
}

let stopping: AbortController | undefined;

/** Tells the component that it is asked to stop. Without anybody who listens, the process just ends. */
function cancelled(): AbortSignal {
  if (!stopping) {
    stopping = new AbortController();
    Deno.addSignalListener("SIGTERM", () => stopping!.abort(new DOMException("the step was cancelled", "AbortError")));
  }
  return stopping.signal;
}

let turn: Promise<unknown> = Promise.resolve();

function connect(values: Record<string, unknown>): void {
  const link = {
    context: Object.freeze({
      runId: values.run_id,
      stepId: values.step_id,
      attempt: values.attempt,
      epoch: values.epoch,
      idempotencyKey: values.idempotency_key,
    }),
    sendJson(message: unknown, payload?: Uint8Array): void {
      send("J", encoder.encode(JSON.stringify(message)));
      if (payload) send("B", payload);
    },
    sendBytes: (payload: Uint8Array): void => send("B", payload),
    async receive() {
      const { kind, payload } = await frame();
      return kind === "B" ? { bytes: payload } : { json: JSON.parse(decoder.decode(payload)) };
    },
    exclusive<T>(work: () => Promise<T>): Promise<T> {
      const mine = turn.then(work, work);
      turn = mine.catch(() => undefined);
      return mine;
    },
    cancelled,
    encode,
  };
  Object.defineProperty(globalThis, Symbol.for("mcpanel.step"), { value: link });
}

function explain(error: unknown): { message: string; traceback: string } {
  const own = `file://${folder}/`;
  if (!(error instanceof Error)) return { message: `thrown: ${Deno.inspect(error).slice(0, 2000)}`, traceback: "" };
  const said = /^\w*Error: /.test(error.message) ? error.message : `${error.name}: ${error.message}`;
  const full = said.replaceAll(own, "");
  const lines = (error.stack ?? "").split("\n").filter((text) => /^\s+at /.test(text) && text.includes(own));
  const frames = lines.map((text) => text.replaceAll(own, "")).filter((text) => !full.endsWith(text));
  // Of a module that cannot be loaded there are no frames: the place stands in the text, after lines that show it.
  const place = frames.length ? null : /\sat ([^\s:]+\.ts):(\d+):(\d+)$/.exec(full);
  const first = place && `${full.split("\n")[0].replace(place[0], "")} (${place[1]}, line ${place[2]}, column ${place[3]})`;
  const message = (first ?? full).slice(0, 2000);
  let traceback = [full, ...frames].join("\n");
  if (error.cause !== undefined) traceback += `\nCaused by: ${explain(error.cause).traceback || explain(error.cause).message}`;
  return { message, traceback: traceback.slice(0, 32_000) };
}

let started = false;

async function run(): Promise<void> {
  // What the component imports from its packages is loaded while there is no work; what goes wrong, the step finds itself.
  for (const specifier of Deno.args.slice(1)) await import(specifier).catch(() => undefined);
  const start = JSON.parse(decoder.decode((await frame()).payload));
  started = true;
  const given = JSON.parse(decoder.decode((await frame()).payload));
  connect(start.context);
  const file = `${folder}/${start.component}.ts`;
  Deno.mkdirSync(folder, { recursive: true });
  Deno.writeTextFileSync(file, start.code);
  let failure: Record<string, unknown> | undefined;
  try {
    const inputs = await complete(given, start.large ?? []);
    const component = await import(`file://${file}`);
    if (typeof component.main !== "function") {
      throw new TypeError(`${start.component}.ts must export a function: export function main(inputs) { … }`);
    }
    const value = await component.main(inputs);
    const bytes = encode(value, start.output_limit, "output");
    if (bytes.length > start.inline_limit) {
      await output(bytes, JSON.parse(decoder.decode(bytes)));
    } else {
      send("J", encoder.encode('{"t":"result"}'));
      send("B", bytes);
    }
  } catch (error) {
    failure = error instanceof InvalidOutput
      ? { kind: "INVALID_OUTPUT", message: error.message, traceback: "" }
      : error instanceof BadInput
      ? { kind: "BAD_INPUT", message: error.message, traceback: "" }
      : { kind: "USER_ERROR", ...explain(error) };
  }
  if (failure) send("J", encoder.encode(JSON.stringify({ t: "failure", ...failure })));
  Deno.exit(failure ? 1 : 0);
}

function fail(message: string, traceback = ""): never {
  send("J", encoder.encode(JSON.stringify({ t: "failure", kind: "USER_ERROR", message, traceback })));
  Deno.exit(1);
}

globalThis.addEventListener("unhandledrejection", (event) => {
  event.preventDefault();
  if (!started) return;
  const { message, traceback } = explain(event.reason);
  fail(message, traceback);
});
globalThis.addEventListener("error", (event) => {
  event.preventDefault();
  if (!started) return;
  const { message, traceback } = explain(event.error);
  fail(message, traceback);
});
// `run` ends the process itself. Where nothing is left to do before that, it waits for what cannot happen.
globalThis.addEventListener("beforeunload", () => fail("main() awaits a promise that can never resolve: nothing else is left to run"));

run();
