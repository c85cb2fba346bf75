import { statSync } from 'node:fs'
import { relative } from 'node:path'
import { contentOf } from '../helpers/databases.ts'
import { flipBitOf } from './flip-bit.ts'
import { judges, type Flip } from './flip-judges.ts'
import { FlipPlace, KINDS, type Kind } from './flip-place.ts'

/*
 * A process that turns bits around, one at a time, and looks at what comes of it. Arguments: a folder of its own, how many flips
 * there are, the first one that is its own, and every how many-th is.
 */

/** Of so many flips one is looked at with engines and a live database, too. */
const WHOLE_WAY = 250
/** Multiples of it are spread evenly, however many there are. */
const GOLDEN = (Math.sqrt(5) - 1) / 2

/** A place among all bits of a kind's files. */
function flipAt (place: FlipPlace, kind: Kind, number: number): Flip {
  const files = place.filesOf(kind)
  const sizes = files.map(file => statSync(file).size * 8)
  let bit = Math.floor((number * GOLDEN) % 1 * sizes.reduce((sum, size) => sum + size, 0))
  let index = 0
  while (bit >= (sizes[index] as number)) bit -= sizes[index++] as number
  return { file: files[index] as string, bit, number }
}

/** A live restore and a rollback give an error, and then nothing has changed, or the right content. */
async function goWholeWay (place: FlipPlace, { file }: Flip): Promise<string[]> {
  const problems: string[] = []
  const writer = place.writer()
  const tryOut = async (what: string, right: Record<string, string>, run: () => Promise<unknown>): Promise<void> => {
    const before = contentOf(place.path)
    const error = await run().then(() => null, (error: unknown) => error)
    const after = contentOf(place.path)
    if (JSON.stringify(after) !== JSON.stringify(error === null ? right : before)) problems.push(`after the ${what} (${String(error)}) the database has another content`)
  }
  try {
    const [name] = [...place.manifests].find(([, { id, packs }]) => file.includes(id) || packs.some(pack => file.includes(pack.id))) ?? []
    if (name !== undefined) await tryOut(`restore of ${name}`, place.live.get(name)!, async () => await writer.restoreFromSnapshot(name))
    const backup = file.replace(/\.sha256$/, '')
    if (file.startsWith(place.recovery)) await tryOut('rollback', place.live.get(backup)!, async () => await writer.recovery.rollback({ backup }))
  } finally {
    await writer.close()
  }
  return problems
}

const [folder = '', count = '', first = '', step = ''] = process.argv.slice(2)
const place = await FlipPlace.make(folder)
for (let number = Number(first); number < Number(count); number += Number(step)) {
  const kind = KINDS[number % KINDS.length] as Kind
  const flip = flipAt(place, kind, Math.floor(number / KINDS.length))
  const at = `${relative(folder, flip.file)}, bit ${flip.bit}`
  process.send?.({ number, at })
  if (kind !== 'catalog') flipBitOf(flip.file, flip.bit)
  const { outcome, problems } = await judges[kind](place, flip)
  if (kind !== 'catalog' && Math.floor(number / KINDS.length) % (WHOLE_WAY / KINDS.length) === 0) problems.push(...await goWholeWay(place, flip))
  if (kind !== 'catalog') flipBitOf(flip.file, flip.bit)
  process.send?.({ number, at, kind, outcome, problems })
}
process.disconnect()
