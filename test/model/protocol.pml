// SPDX-License-Identifier: MIT
// The map's locking protocol (doc/concurrency.md) with three CPUs and tables of two levels: memory,
// locks, flushes, and the hardware that caches what it read. A scenario defines SPACES, FRAMES and N,
// includes this, and says what each CPU does. A word in capitals that begins with NO_ or says what is
// done wrong is a mutation: defined, it breaks one rule, and the search has to find out.
//
//   frame 1 … SPACES     the roots; the others are tables, pages or free, and used again
//   slot of a table      EMPTY, LAZY, FILE, or ENTRY(frame, write)
//   hand[cpu]            the table whose address a CPU holds with no lock that protects it
//   psc[cpu], tlb[cpu]   one cached reference to a table, one translation, for slot 0 of slot 0

#define CPUS 3
#define ROOT(space) ((space) + 1)
#define SLOT(table, index) slot[(table) * N + (index)]

#define EMPTY 0
#define LAZY 1
#define FILE 2
#define ENTRY(frame, write) ((frame) * 4 + (write))
#define FRAME(entry) ((entry) / 4) // 0: not present
#define WRITE(entry) ((entry) >= 4 && ((entry) & 1))
#define NARROW(entry) ((entry) - ((entry) >= 4 && ((entry) & 1)))

#define FREE 0
#define TABLE 1
#define PAGE 2

byte kind[FRAMES + 1];
byte refs[FRAMES + 1];    // of a table: parent entries; of a page: entries
byte holders[FRAMES + 1]; // of a table: spaces, one bit each, that hold one of its references
byte slot[(FRAMES + 1) * N];
byte lock[FRAMES + 1];    // 0, or the holder + 1
bool stale[FRAMES + 1];

byte running[SPACES];     // CPUs, one bit each: Translations::running
byte runs[CPUS];          // the space whose root is loaded
byte ask[CPUS];           // CPUs that wait for this one's answer
byte req[CPUS];           // spaces whose translations this CPU wants forgotten
byte hand[CPUS];
byte psc[CPUS];
byte tlb[CPUS];
byte done;

#define HELD(f) (hand[0] == f || hand[1] == f || hand[2] == f)
#define CACHED(f) (FRAME(psc[0]) == f || FRAME(psc[1]) == f || FRAME(psc[2]) == f || \
                   FRAME(tlb[0]) == f || FRAME(tlb[1]) == f || FRAME(tlb[2]) == f)

// Steps are joined where nobody can tell: taking a lock with what is read under it, the last store
// under a lock with giving it up.

// What every CPU's process begins with.
#define CPU(number, its_space) byte me = number, s = its_space, e, x, t, p, q, top

// ---- frames --------------------------------------------------------------------------------------

inline allocate(f, what) {
    d_step {
        f = SPACES + 1;
        do
        :: kind[f] != FREE -> f++
        :: else -> break
        od;
        assert(f <= FRAMES);
        kind[f] = what;
        refs[f] = 1;
        holders[f] = 1 << s
    }
}

// Gives a frame back: nobody may have it in hand or cached, since it will be something else at once.
#define RELEASE(f)                           \
    assert(kind[f] != FREE && lock[f] == 0); \
    assert(!HELD(f));                        \
    assert(!CACHED(f));                      \
    kind[f] = FREE;                          \
    stale[f] = 0;                            \
    holders[f] = 0;                          \
    SLOT(f, 0) = 0;                          \
    SLOT(f, N - 1) = 0

// Drops an entry's reference to a page.
#define DROP_PAGE(f)                 \
    assert(refs[f] != 0);            \
    refs[f]--;                       \
    if                               \
    :: refs[f] == 0 -> RELEASE(f)    \
    :: else                          \
    fi
inline drop_page(f) { d_step { DROP_PAGE(f) } }

inline dismantle(f) {
    d_step {
        x = 0;
        do
        :: x < N ->
            if
            :: FRAME(SLOT(f, x)) != 0 -> q = FRAME(SLOT(f, x)); DROP_PAGE(q)
            :: else
            fi;
            x++
        :: else -> break
        od;
        x = 0; q = 0;
        refs[f] = 0;
        RELEASE(f)
    }
}

// ---- flushes and waits ---------------------------------------------------------------------------

#ifdef NO_FLUSH
#define FORGET(c) skip
#else
#define FORGET(c) psc[c] = 0; tlb[c] = 0
#endif
#define HAS(mask, number) (((mask) >> (number)) & 1)
#define ASKED(c) (HAS(ask[me], c) && HAS(req[c], runs[me]))

// Where a CPU holds no pointer: the interrupt in user mode, and every wait.
inline answer() {
    d_step {
        if
        :: ASKED(0) || ASKED(1) || ASKED(2) -> FORGET(me)
        :: else
        fi;
        ask[me] = 0
    }
}
#ifdef NO_ANSWER
#define ANSWERS false
#else
#define ANSWERS (ask[me] != 0)
#endif

#if SPACES > 1
#define RUNNING(spaces) ((HAS(spaces, 0) * running[0]) | (HAS(spaces, 1) * running[1]))
#else
#define RUNNING(spaces) (HAS(spaces, 0) * running[0])
#endif
#define ASK(c)                                                                  \
    if                                                                          \
    :: c != me && HAS(RUNNING(req[me]), c) -> ask[c] = ask[c] | (1 << me)       \
    :: else                                                                     \
    fi

#ifdef NO_GRACE
#define TELL_OTHERS FORGET(0); FORGET(1); FORGET(2) // as by a broadcast of the hardware
#else
#define TELL_OTHERS ASK(0); ASK(1); ASK(2)
#endif

// Returns when every CPU in `running` of the spaces has forgotten, and has let go of its pointers.
inline flush(spaces) {
    d_step {
        req[me] = spaces;
        if
        :: HAS(spaces, runs[me]) -> FORGET(me)
        :: else
        fi;
        TELL_OTHERS
    }
    do
    :: atomic { !HAS(ask[0] | ask[1] | ask[2], me) -> req[me] = 0; break }
    :: ANSWERS -> answer()
    od
}

// SpinLock::lock
inline take(table) {
    do
    :: atomic { lock[table] == 0 -> lock[table] = me + 1; break }
    :: ANSWERS -> answer()
    od
}
inline drop(table) { atomic { assert(lock[table] == me + 1); lock[table] = 0 } }

// Between two operations; and after the last.
inline user_mode() {
    do
    :: ask[me] != 0 -> answer()
    :: break
    od
}
inline finish() {
    done++;
end_user:
    do
    :: ask[me] != 0 -> answer()
    od
}

// ---- the walk ------------------------------------------------------------------------------------

// A walk for a write stops above a shared table: its parent entry is what will change.
#define DESCENDS(entry, write) (FRAME(entry) != 0 && (WRITE(entry) || !(write)))

#ifdef NO_RECHECK
#define STANDS(i, write) true
#elif defined(SHARED)
#define STANDS(i, write) (!stale[top] && \
    (top == ROOT(s) -> !DESCENDS(SLOT(top, i), write) : SLOT(ROOT(s), i) == e))
#else
#define STANDS(i, write) (!stale[top] && !(top == ROOT(s) && DESCENDS(SLOT(top, i), write)))
#endif

#ifdef POINTER_KEPT_OVER_WAIT
#define LET_GO skip
#else
#define LET_GO hand[me] = 0
#endif

// Transaction::lock_top for a page below slot i of the root: `top` is locked, and e led to it.
inline lock_page(i, write) {
    do
    :: d_step {
            e = SLOT(ROOT(s), i);
            if
            :: DESCENDS(e, write) -> top = FRAME(e); hand[me] = top
            :: else -> top = ROOT(s)
            fi
        }
        if
        :: atomic {
                lock[top] == 0 -> assert(kind[top] == TABLE);
                if
                :: STANDS(i, write) -> lock[top] = me + 1; hand[me] = 0; break
                :: else -> hand[me] = 0 // unlocked again
                fi
            }
        :: d_step { lock[top] != 0 -> assert(kind[top] == TABLE); LET_GO };
            do
            :: lock[top] == 0 -> hand[me] = 0; break
            :: ANSWERS -> answer(); hand[me] = 0; break
            od
        fi
    od
}

// query, nearest, first_fit, locate: reads without a lock.
inline look_around() {
    d_step { e = SLOT(ROOT(s), 0); hand[me] = FRAME(e) }
    if
    :: hand[me] != 0 -> d_step { assert(kind[hand[me]] == TABLE); hand[me] = 0 }
    :: else
    fi;
    e = 0
}

#include "hardware.pml"

// ---- the end -------------------------------------------------------------------------------------

// When nothing more can happen, all have done their work, and nothing is locked, lost or counted wrongly.
active proctype accounts() {
    byte f, i, count;
    d_step {
        timeout -> assert(done == CPUS); // else a deadlock
        f = 1;
        do
        :: f <= FRAMES ->
            assert(lock[f] == 0);
            count = 0;
            i = 0;
            do
            :: i < (FRAMES + 1) * N ->
                count = count + (kind[i / N] == TABLE && FRAME(slot[i]) == f);
                i++
            :: else -> break
            od;
            assert(f <= SPACES || (kind[f] == FREE -> count == 0 : count == refs[f] && !stale[f]));
            f++
        :: else -> break
        od
    }
}
