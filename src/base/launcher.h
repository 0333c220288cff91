// Joins the processes that a launcher of MPI programs (mpirun, mpiexec, srun --mpi=...) has started
// from one command.
#pragma once

namespace narrow {

// Connects ranks() when the environment says that a launcher has started this process: by the
// variables of Open MPI, of PMIx, or of PMI. Those that SLURM sets for every job are no sign of it.
// MPI is in a module of its own, the file kModuleName beside the program (links followed), so that
// the program needs no MPI.
// Throws Error(kUnsupported) when there is a launcher, but no module or no MPI that it finds, and
// when MPI knows another number of processes than the launcher has started.
void join_launched_ranks();

inline constexpr const char* kModuleName = "narrow_mpi.so";

}  // namespace narrow
