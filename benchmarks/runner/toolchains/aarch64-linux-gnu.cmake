# A Debian or Ubuntu cross compiler for arm64 Linux: apt-get install g++-aarch64-linux-gnu
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
# Programs are the host's. ExecuTorch and the header-only JSON library lie outside any sysroot and are named to CMake.
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
