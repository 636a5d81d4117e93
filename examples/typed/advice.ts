import * as step from "mcpanel:step";

interface Reading {
  day: number;
  temperature: number;
}

/** What advice is made of. */
interface Inputs {
  place: string;
  readings: Reading[];
  unit?: "celsius" | "fahrenheit";
  /** How much is said. */
  style?: "short" | "long";
}

/** Says what to wear. */
export function main({ place, readings, unit = "celsius", style = "short" }: Inputs): { advice: string; warmest: number } {
  const warmest = Math.max(...readings.map((one) => one.temperature));
  const warm = warmest > (unit === "celsius" ? 18 : 64);
  step.log.info("looked at", { days: readings.length });
  const advice = warm ? "a shirt will do" : "take a coat";
  return { advice: style === "short" ? advice : `In ${place} it gets ${warmest} (${unit}): ${advice}.`, warmest };
}
