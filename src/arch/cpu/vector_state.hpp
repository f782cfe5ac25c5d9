// SPDX-License-Identifier: MIT
// x87, SSE and AVX registers: switched eagerly, by XSAVE where there is one, else by FXSAVE.
#pragma once

#include <cstddef>

namespace arch {

/// Chooses what is switched (XCR0), after enable_cpu_features(). Called by the boot CPU before its
/// first thread.
void initialise_vector_units();
/// Switches the same on for another CPU, called by it. False: it has not all of that.
bool initialise_cpu_vector_units();

/// Bytes of a save area: a multiple of 64, the alignment it needs.
std::size_t vector_state_bytes();

/// Gives an area the content from which a fresh thread starts: registers zero, exceptions masked.
void reset_vector_state(void* area);

void save_vector_state(void* area);
void load_vector_state(const void* area);

} // namespace arch
