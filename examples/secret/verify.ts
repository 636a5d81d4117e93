import * as step from "mcpanel:step";

export async function main({ text, signature }: { text: string; signature: string }) {
  const bytes = new TextEncoder();
  const secret = bytes.encode(await step.secret("signing-key"));
  const key = await crypto.subtle.importKey("raw", secret, { name: "HMAC", hash: "SHA-256" }, false, ["verify"]);
  const sent = Uint8Array.from(signature.match(/../g) ?? [], (pair) => parseInt(pair, 16));
  return {
    verified: await crypto.subtle.verify("HMAC", key, sent, bytes.encode(text)),
    forged: await crypto.subtle.verify("HMAC", key, sent, bytes.encode(text + "!")),
  };
}
