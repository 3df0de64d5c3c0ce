/** Milliseconds by `process.hrtime`, which is one clock for all processes of the machine. */
export const now = () => Number(process.hrtime.bigint()) / 1e6
