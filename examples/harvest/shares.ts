interface Total {
  fruit: string;
  kilos: number;
}

/** What each fruit makes up of the whole, from 0 to 1. */
export function main({ totals }: { totals: Total[] }): { fruit: string; share: number }[] {
  const all = totals.reduce((sum, one) => sum + one.kilos, 0);
  return totals.map(({ fruit, kilos }) => ({ fruit, share: Math.round((kilos / all) * 1000) / 1000 }));
}
