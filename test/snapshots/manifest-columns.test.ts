import t from 'tap'
import { columnsOf } from '../../src/snapshots/manifest-columns.ts'
import { sampleManifest } from '../helpers/format.ts'

t.test('of a manifest from before they were counted, the free pages are not known', async t => {
  const { sqlite } = sampleManifest()
  t.equal(columnsOf(sampleManifest({ sqlite: { ...sqlite, freePages: 3 } })).freePages, 3)
  const { freePages, ...earlier } = { freePages: 0, ...sqlite }
  t.equal(columnsOf(sampleManifest({ sqlite: earlier })).freePages, null)
})
