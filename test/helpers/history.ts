import { rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import type { Snapshot, SnapshotStorage } from '../../src/index.ts'
import { contentOf } from './databases.ts'
import { allOf, deploy, type Deployment } from './deployments.ts'

/** A host with a history: a pinned one, labels, an incremental chain, one deleted, one that failed. All but the last is in the remote storage. */
export async function makeHistory (t: Test, remote: SnapshotStorage): Promise<Deployment & { before: Snapshot[], contents: Map<string, Record<string, string>> }> {
  const old = deploy(t, 'old', remote)
  const contents = new Map<string, Record<string, string>>()
  for (const name of ['first', 'pinned', 'deleted', 'labelled']) {
    old.application.prepare('UPDATE items SET text = ? WHERE id = 1').run(name)
    await old.writer.createSnapshot(name, name === 'labelled' ? { labels: { for: 'the audit' } } : {})
    contents.set(name, contentOf(old.path))
  }
  await old.writer.updateSnapshot('pinned', { pinned: true })
  await old.writer.deleteSnapshot('deleted')
  old.application.exec('DELETE FROM items WHERE id < 20')
  await old.writer.createScheduledSnapshot(5)
  await old.writer.completeReplicas()
  const before = await allOf(old.writer)
  contents.set((before.at(-1) as Snapshot).name, contentOf(old.path))
  await t.rejects(old.writer.createSnapshot('first'), { code: 'FST_SNAPSHOT_NAME_TAKEN' })
  return { ...old, before, contents }
}

/** Restores them all but the deleted one. */
export async function checkAllRestore (t: Test, { writer, folder }: Pick<Deployment, 'writer' | 'folder'>, contents: Map<string, Record<string, string>>): Promise<void> {
  for (const [name, content] of contents) {
    if (name === 'deleted') continue
    await writer.restoreToFile(name, join(folder, 'restored', `${name}.db`))
    t.same(contentOf(join(folder, 'restored', `${name}.db`)), content, `${name} restores`)
    rmSync(join(folder, 'restored', `${name}.db`))
  }
}
