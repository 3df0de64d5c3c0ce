// Programs of fixtures/ are started with process.execPath, and find these options in their environment.
const { RUNTIME, CONTENDERS_NODE_OPTIONS } = process.env
if (RUNTIME) process.execPath = RUNTIME
if (CONTENDERS_NODE_OPTIONS) process.env.NODE_OPTIONS = CONTENDERS_NODE_OPTIONS
