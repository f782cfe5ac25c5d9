// SPDX-License-Identifier: MIT
// Three CPUs fault at once below one large lazy entry: it is split once, each page given one frame,
// and who reads without a lock never sees a hole.
// mutation NO_RECHECK: a table was linked below while the lock was waited for
// mutation LINKED_BEFORE_FILLED: the new table can be reached before its entries stand in it
#define SPACES 1
#define FRAMES 5
#define N 2
#include "protocol.pml"
#include "operations.pml"

proctype first() {
    CPU(0, 0);
    fault(0, 0);
    finish()
}
proctype second() {
    CPU(1, 0);
    fault(0, 0);
    user_mode();
    must_be_mapped(0, 1);
    finish()
}
proctype third() {
    CPU(2, 0);
    must_be_mapped(0, 0);
    fault(0, 1);
    finish()
}
init {
    d_step {
        kind[1] = TABLE;
        SLOT(1, 0) = LAZY;
        running[0] = 7
    }
    atomic {
        run hardware(1);
        run first();
        run second();
        run third()
    }
}
