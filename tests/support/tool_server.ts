// An MCP server without the SDK: one tool, over standard input and output.
import { greet } from "npm:greetings@1";

const tools = [{
  name: "greet",
  description: "Greets somebody.",
  inputSchema: { type: "object", properties: { name: { type: "string" } }, required: ["name"] },
}];

function answer(method: string, params: Record<string, any>): unknown {
  if (method === "initialize") {
    return {
      protocolVersion: params.protocolVersion,
      capabilities: { tools: {} },
      serverInfo: { name: "greeter", version: "1" },
    };
  }
  if (method === "tools/list") return { tools };
  if (method === "tools/call") return { content: [{ type: "text", text: greet(params.arguments.name) }] };
  return undefined;
}

const encoder = new TextEncoder();
let rest = "";
for await (const chunk of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
  const lines = (rest + chunk).split("\n");
  rest = lines.pop() ?? "";
  for (const line of lines) {
    const { id, method, params } = JSON.parse(line);
    if (id === undefined) continue;
    const result = answer(method, params ?? {});
    const outcome = result === undefined ? { error: { code: -32601, message: "Method not found" } } : { result };
    await Deno.stdout.write(encoder.encode(JSON.stringify({ jsonrpc: "2.0", id, ...outcome }) + "\n"));
  }
}
