// SPDX-License-Identifier: MIT
// Two spaces share a table: both write to its page, and one of them drops the table. Tables are
// cloned, taken back and taken apart; so are pages.
// mutation CLONE_LEAVES_ORIGINAL: the pages stay writable in the table that was copied
// mutation CLONE_NOT_FLUSHED: cached references to the shared table outlive the space's own
// mutation COPY_NOT_FLUSHED: a page is copied, but its old frame read on
// mutation DROPPED_BEFORE_FLUSH: a reference goes while its space has the table cached
// mutation TAKEN_BACK_WHILE_SHARED: sole ownership is judged by parents, not by references
#define SPACES 2
#define FRAMES 9
#define N 1
#define SHARED
#include "sharing.pml"

proctype first() {
    CPU(0, 0);
    write_fault();
    finish()
}
proctype second() {
    CPU(1, 1);
    write_fault();
    user_mode();
    unmap_shared();
    finish()
}
proctype third() {
    CPU(2, 0);
    look_around();
    finish()
}
init {
    d_step {
        kind[1] = TABLE;
        kind[2] = TABLE;
        kind[3] = TABLE;
        refs[3] = 2;
        holders[3] = 3;
        kind[4] = PAGE;
        refs[4] = 1;
        SLOT(1, 0) = ENTRY(3, 0);
        SLOT(2, 0) = ENTRY(3, 0);
        SLOT(3, 0) = ENTRY(4, 1);
        running[0] = 5;
        running[1] = 2;
        runs[1] = 1;
        born = 1
    }
    atomic {
        run hardware(1);
        run hardware(2);
        run first();
        run second();
        run third()
    }
}
