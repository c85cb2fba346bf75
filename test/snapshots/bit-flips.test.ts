import { join } from 'node:path'
import t from 'tap'
import { describe, flipBits } from '../crash/bit-flips.ts'
import { testFolder } from '../helpers/folder.ts'

t.test('a single bit that has turned around in anything that is stored is found, or changes nothing', async t => {
  const problems: string[] = []
  const { counts } = await flipBits(join(testFolder(t), 'flips'), 100, 1, problem => { problems.push(problem) })
  t.same(problems, [])
  t.same(Object.keys(counts).sort(), ['backup', 'catalog', 'manifest', 'marks', 'pack'])
  for (const line of describe(counts)) t.comment(line)
})
