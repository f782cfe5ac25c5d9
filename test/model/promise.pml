// SPDX-License-Identifier: MIT
// Promise: what each table says at most of the free runs below it. A page below three tables is freed
// under the leaf table's lock; searches pass by without one, and lower promises that they find wrong.
// When all is quiet, what is free is promised by every table above it. Each CPU's plain stores
// stay in its store buffer until they drain, in order.
// mutation RAISED_BEFORE_BITMAP: the promise is raised first, the bitmap says so later
// mutation NO_BARRIER: the bitmap may still be in the store buffer when the promise is read
// mutation RAISED_TOP_DOWN: the tables above are raised before those below them
// mutation RAISED_BY_PLAIN_STORE: a promise raised may still be in the store buffer when the next is read
// mutation LOWERED_WITHOUT_MARK: a search lowers although something was freed since
#define CPUS 3
#define LEVELS 3

// A promise: 1 means a run that is long enough, 0 none; the mark of a search in the bits above.
#define BITMAP LEVELS // bit of the page, free or not, stands behind the promises
#define NOTHING 9
byte memory[LEVELS + 1];
byte at[CPUS] = NOTHING; // the store that a CPU has made and nobody else sees yet
byte value[CPUS];
byte lock;
byte done;

#define LOAD(where) (at[me] == where -> value[me] : memory[where])
inline drain() {
    d_step {
        if
        :: at[me] != NOTHING -> memory[at[me]] = value[me]; at[me] = NOTHING
        :: else
        fi
    }
}
inline store(where, what) {
    drain();
    d_step { at[me] = where; value[me] = what }
}
proctype store_buffer(byte me) {
end_buffer:
    do
    :: d_step { at[me] != NOTHING -> memory[at[me]] = value[me]; at[me] = NOTHING }
    od
}

// ---- freeing -------------------------------------------------------------------------------------

// Promise::raise: writes nothing where everything is promised already, else by an exchange.
#ifdef RAISED_BY_PLAIN_STORE
#define PUT_PROMISE(level) store(level, 1)
#else
#define PUT_PROMISE(level) drain(); memory[level] = 1
#endif
inline raise(level) {
    if
    :: LOAD(level) != 1 -> PUT_PROMISE(level)
    :: else
    fi
}
#ifdef NO_BARRIER
#define BARRIER skip
#else
#define BARRIER drain()
#endif
#ifdef RAISED_TOP_DOWN
#define RAISE_ABOVE raise(2); raise(1)
#else
#define RAISE_ABOVE raise(1); raise(2)
#endif
#ifdef RAISED_BEFORE_BITMAP
#define FREE_PAGE raise(0); RAISE_ABOVE; store(BITMAP, 1)
#else
#define FREE_PAGE store(BITMAP, 1); BARRIER; raise(0); RAISE_ABOVE
#endif

// The lock's own store, which gives it up, comes behind all others in the buffer.
inline take_lock() { atomic { lock == 0 && at[me] == NOTHING -> lock = 1 } }
inline drop_lock() { atomic { at[me] == NOTHING -> lock = 0 } }

inline free_page() {
    take_lock();
    FREE_PAGE;
    drop_lock()
}
inline use_page() {
    take_lock();
    store(BITMAP, 0);
    drop_lock()
}

// ---- searching -----------------------------------------------------------------------------------

// Whether a search of the table at `level` finds something: down, while promises say yes.
inline look(level) {
    below = level;
    do
    :: below != 0 && (LOAD(below - 1) & 1) -> below--
    :: below != 0 && !(LOAD(below - 1) & 1) -> found = 0; break
    :: below == 0 -> found = LOAD(BITMAP); break
    od
}
// Promise::mark and lower, by compare-exchange: full barriers both.
#ifdef LOWERED_WITHOUT_MARK
#define STILL_MARKED(level) true
#else
#define STILL_MARKED(level) memory[level] == marked
#endif
inline lower(level) {
    if
    :: LOAD(level) & 1 ->
        drain();
        d_step { marked = 1 | ((me + 1) << 1); memory[level] = marked }
        look(level);
        if
        :: !found ->
            d_step {
                if
                :: STILL_MARKED(level) -> memory[level] = 0
                :: else
                fi
            }
        :: else
        fi
    :: else
    fi
}
// What looked in vain lowers from below upwards, as far as it came.
inline search() {
    look(2);
    if
    :: !found && below == 0 -> lower(0); lower(1); lower(2)
    :: !found && below == 1 -> lower(1); lower(2)
    :: !found && below == 2 -> lower(2)
    :: else
    fi;
    atomic { below = 0; found = 0; marked = 0 }
}

#define CPU(number) byte me = number, below, found, marked
proctype first() {
    CPU(0);
    free_page();
    done++
}
proctype second() {
    CPU(1);
    search();
    done++
}
proctype third() {
    CPU(2);
    if
    :: search()
    :: use_page(); free_page()
    fi;
    done++
}
active proctype quiet() {
    atomic {
        timeout -> assert(done == CPUS); // else a deadlock
        assert(!memory[BITMAP] || (memory[0] & memory[1] & memory[2] & 1))
    }
}
init {
    byte high;
    atomic {
        // Whatever was promised before: too much, or rightly nothing from some level up.
        select(high : 0 .. LEVELS);
        memory[0] = (high > 0);
        memory[1] = (high > 1);
        memory[2] = (high > 2);
        run store_buffer(0);
        run store_buffer(1);
        run store_buffer(2);
        run first();
        run second();
        run third()
    }
}
