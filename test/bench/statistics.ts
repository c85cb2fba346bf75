/** The middle one of some values. */
export const median = (values: number[]): number => percentile(values, 0.5)

export const percentile = (values: number[], part: number): number => values.toSorted((a, b) => a - b)[Math.floor(values.length * part)] as number
