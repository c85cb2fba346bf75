import t from 'tap'
import { requireRoom } from '../../src/snapshots/disk-space.ts'
import { testFolder } from '../helpers/folder.ts'

const EXBIBYTE = 2 ** 60

t.test('what fits is let through, what shares a file system is added up, what cannot fit is refused', async t => {
  const folder = testFolder(t, { inside: {} })
  await requireRoom([{ folder, bytes: 0, what: 'nothing' }])
  const both = [{ folder, bytes: EXBIBYTE, what: 'the first' }, { folder: `${folder}/inside`, bytes: EXBIBYTE, what: 'the second' }]
  await t.rejects(requireRoom(both), {
    code: 'FST_SNAPSHOT_NO_ROOM',
    message: /2199023255552\.0 MiB are needed in .* \(1099511627776\.0 MiB for the first, 1099511627776\.0 MiB for the second\) and [\d.]+ MiB are free/
  })
})
