import { SnapshotWriter } from '../helpers/built.ts'

/* A host that restores or creates again and again, until it is killed. */
const [, , path, operation] = process.argv
const writer = new SnapshotWriter({ database: path as string })
for (let number = 0; ; number++) {
  if (number === 1) process.send?.('ready')
  if (operation === 'restore') await writer.restoreFromSnapshot(number % 2 === 0 ? 'small' : 'large')
  else await writer.createSnapshot(`killed-${process.pid}-${number}`)
}
