import { LockFile } from '../../src/lock-file.ts'

/* Tries to take a lock at once, tells the outcome, and keeps the lock until it is told to stop or killed. */
const lock = LockFile.takeBlocking(String(process.argv[2]), 0)
process.on('disconnect', () => { process.exit() })
process.on('message', () => {
  lock?.release()
  process.exit()
})
process.send?.(lock === null ? 'refused' : 'taken')
