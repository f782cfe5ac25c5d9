// SPDX-License-Identifier: MIT
// Stopping the other CPUs for a while: proc::port::alone.
#pragma once

namespace arch {

/// Stays here, and answers flushes, while another CPU wants to be alone. Called where this CPU
/// holds no lock and is in the middle of nothing: by an interrupt, since the kernel is not
/// interrupted where it is.
void stay_stopped();

} // namespace arch
