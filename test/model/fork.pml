// SPDX-License-Identifier: MIT
// A space is forked while another of its CPUs writes, and the child begins to run; both then write,
// or end.
// mutation FORK_NOT_NARROWED: the parent goes on writing what the child can read
// mutation FORK_NOT_FLUSHED: it does so by what it cached
// mutation CLONE_LEAVES_ORIGINAL: the copy's pages stay writable in the table that it was made of
#define SPACES 2
#define FRAMES 8
#define N 1
#define SHARED
#include "sharing.pml"

proctype first() {
    CPU(0, 0);
    fork();
    finish()
}
proctype second() {
    CPU(1, 0);
    write_fault();
    finish()
}
proctype third() {
    CPU(2, 1);
    born;
    write_fault();
    user_mode();
    if
    :: unmap_shared()
    :: true
    fi;
    finish()
}
init {
    d_step {
        kind[1] = TABLE;
        kind[2] = TABLE;
        kind[3] = TABLE;
        refs[3] = 1;
        holders[3] = 1;
        kind[4] = PAGE;
        refs[4] = 1;
        SLOT(1, 0) = ENTRY(3, 1);
        SLOT(3, 0) = ENTRY(4, 1);
        running[0] = 3;
        running[1] = 4;
        runs[2] = 1
    }
    atomic {
        run hardware(1);
        run hardware(2);
        run first();
        run second();
        run third()
    }
}
