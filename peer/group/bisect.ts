/** Where the first item stands that has what all items after it have too; the length when there is none. */
export const firstWhere = <T>(items: readonly T[], has: (item: T) => boolean): number => {
  let from = 0
  let to = items.length
  while (from < to) {
    const middle = (from + to) >>> 1
    const item = items[middle]
    if (item !== undefined && has(item)) to = middle
    else from = middle + 1
  }
  return from
}
