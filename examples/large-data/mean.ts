export function main({ celsius }: { celsius: number[] }): number {
  return celsius.reduce((sum, one) => sum + one, 0) / celsius.length;
}
