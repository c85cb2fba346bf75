import { statSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { NewFile } from '../../src/engine/new-file.ts'
import { readAll } from '../../src/storage/storage-key.ts'
import { testFolder } from '../helpers/folder.ts'

const MEBIBYTE = 1024 * 1024

for (const isDurable of [true, false]) {
  t.test(`parts of a file are written in any order and can be read back${isDurable ? ', while the disk is set to work' : ''}`, async t => {
    const path = join(testFolder(t), 'new')
    const file = await NewFile.create(path, isDurable)
    for (let number = 39; number >= 0; number--) await file.write(Buffer.alloc(MEBIBYTE, number), number * MEBIBYTE)
    await file.complete()
    t.ok((await readAll(file.read())).equals(Buffer.concat(Array.from({ length: 40 }, (_, number) => Buffer.alloc(MEBIBYTE, number)))))
    await file.close()
    t.equal(statSync(path).mode & 0o777, 0o600)
    await t.rejects(NewFile.create(path, isDurable), { code: 'EEXIST' })
  })
}
