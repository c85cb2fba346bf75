import { constants, openSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { cloneFile } from '../../../src/engine/apply/clone-file.ts'
import { testFolder } from '../../helpers/folder.ts'
import { mountReflinkDisk, noReflinks } from '../../helpers/reflink-disk.ts'
import { mountSmallDisk, noSmallDisk } from '../../helpers/small-disk.ts'

const { COPYFILE_FICLONE, COPYFILE_FICLONE_FORCE } = constants
for (const [what, skip, folderOf, mode] of [
  ['sharing its blocks', noReflinks, mountReflinkDisk, COPYFILE_FICLONE_FORCE],
  ['as a copy, where a test has no file system that shares blocks', false, (t: Test) => testFolder(t), COPYFILE_FICLONE]
] as const) {
  t.test(`an open file is cloned, whatever has taken its place (${what})`, { skip }, async t => {
    const folder = folderOf(t)
    const file = join(folder, 'file')
    writeFileSync(file, 'content')
    const descriptor = openSync(file, 'r')
    renameSync(file, join(folder, 'aside'))
    writeFileSync(file, 'another')
    t.equal(await cloneFile(descriptor, join(folder, 'clone'), mode), true)
    t.equal(readFileSync(join(folder, 'clone'), 'utf8'), 'content')
    t.same(readdirSync(folder).sort(), ['aside', 'clone', 'file'])
  })

  t.test(`a process that cannot be had, or fails, leaves nothing (${what})`, { skip }, async t => {
    const folder = folderOf(t)
    writeFileSync(join(folder, 'file'), 'content')
    const descriptor = openSync(join(folder, 'file'), 'r')
    const { execPath } = process
    t.teardown(() => { process.execPath = execPath })
    for (const program of ['/no/node/here', '/bin/false']) {
      process.execPath = program
      t.equal(await cloneFile(descriptor, join(folder, 'clone'), mode), false, program)
    }
    t.same(readdirSync(folder), ['file'])
  })
}

t.test('between file systems, and where one has no such thing, nothing is cloned and no process started', { skip: noSmallDisk }, async t => {
  const [disk, other] = [mountSmallDisk(t, 1), mountSmallDisk(t, 1)]
  writeFileSync(join(disk, 'file'), 'content')
  const descriptor = openSync(join(disk, 'file'), 'r')
  for (const folder of [disk, other]) t.equal(await cloneFile(descriptor, join(folder, 'clone')), false)
  t.same([readdirSync(disk), readdirSync(other)], [['file'], []])
})

t.test('on another file system nothing is cloned', async t => {
  const folder = testFolder(t, { file: 'content' })
  t.equal(await cloneFile(openSync('/proc/self/status', 'r'), join(folder, 'clone')), false)
  t.same(readdirSync(folder), ['file'])
})
