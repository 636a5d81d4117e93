// Sums and averages daily weather by month.
import * as step from "mcpanel:step";

interface Day {
  month: string;
  precipitation: number;
  temp_max: number;
  temp_min: number;
}

function mean(values: number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

export function main({ days }: { days: Day[] }) {
  const byMonth = Map.groupBy(days, (day) => day.month);
  const months = [...byMonth].map(([month, group]) => ({
    month,
    days: group.length,
    rain: round(group.reduce((sum, day) => sum + day.precipitation, 0)),
    high: round(mean(group.map((day) => day.temp_max))),
    low: round(mean(group.map((day) => day.temp_min))),
  }));
  step.log.info(`${days.length} days make ${months.length} months`);
  return { months };
}
