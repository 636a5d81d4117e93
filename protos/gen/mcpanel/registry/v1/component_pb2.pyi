import datetime

from buf.validate import validate_pb2 as _validate_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Definition(_message.Message):
    __slots__ = ("id", "name", "display_name", "description", "type", "owner_id", "visibility", "tags", "compliance", "cost_tier", "icon", "etag", "created_at", "updated_at", "latest_version", "star_count", "starred", "deprecated")
    class Type(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        TYPE_UNSPECIFIED: _ClassVar[Definition.Type]
        LLM_PROMPT_AGENT: _ClassVar[Definition.Type]
        JUPYTER_NOTEBOOK: _ClassVar[Definition.Type]
        PYTHON_SCRIPT: _ClassVar[Definition.Type]
        TYPESCRIPT_SCRIPT: _ClassVar[Definition.Type]
        STREAMLIT_APP: _ClassVar[Definition.Type]
        MCP: _ClassVar[Definition.Type]
        AI_ASSISTANT: _ClassVar[Definition.Type]
        DATA: _ClassVar[Definition.Type]
        UTILITY: _ClassVar[Definition.Type]
        OUTPUT: _ClassVar[Definition.Type]
    TYPE_UNSPECIFIED: Definition.Type
    LLM_PROMPT_AGENT: Definition.Type
    JUPYTER_NOTEBOOK: Definition.Type
    PYTHON_SCRIPT: Definition.Type
    TYPESCRIPT_SCRIPT: Definition.Type
    STREAMLIT_APP: Definition.Type
    MCP: Definition.Type
    AI_ASSISTANT: Definition.Type
    DATA: Definition.Type
    UTILITY: Definition.Type
    OUTPUT: Definition.Type
    class Visibility(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        VISIBILITY_UNSPECIFIED: _ClassVar[Definition.Visibility]
        PUBLIC: _ClassVar[Definition.Visibility]
        PRIVATE: _ClassVar[Definition.Visibility]
    VISIBILITY_UNSPECIFIED: Definition.Visibility
    PUBLIC: Definition.Visibility
    PRIVATE: Definition.Visibility
    class CostTier(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        COST_TIER_UNSPECIFIED: _ClassVar[Definition.CostTier]
        FREE: _ClassVar[Definition.CostTier]
        LOW: _ClassVar[Definition.CostTier]
        MEDIUM: _ClassVar[Definition.CostTier]
        HIGH: _ClassVar[Definition.CostTier]
    COST_TIER_UNSPECIFIED: Definition.CostTier
    FREE: Definition.CostTier
    LOW: Definition.CostTier
    MEDIUM: Definition.CostTier
    HIGH: Definition.CostTier
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    OWNER_ID_FIELD_NUMBER: _ClassVar[int]
    VISIBILITY_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    COMPLIANCE_FIELD_NUMBER: _ClassVar[int]
    COST_TIER_FIELD_NUMBER: _ClassVar[int]
    ICON_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    LATEST_VERSION_FIELD_NUMBER: _ClassVar[int]
    STAR_COUNT_FIELD_NUMBER: _ClassVar[int]
    STARRED_FIELD_NUMBER: _ClassVar[int]
    DEPRECATED_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    display_name: str
    description: str
    type: Definition.Type
    owner_id: str
    visibility: Definition.Visibility
    tags: _containers.RepeatedScalarFieldContainer[str]
    compliance: _containers.RepeatedScalarFieldContainer[str]
    cost_tier: Definition.CostTier
    icon: str
    etag: str
    created_at: _timestamp_pb2.Timestamp
    updated_at: _timestamp_pb2.Timestamp
    latest_version: str
    star_count: int
    starred: bool
    deprecated: bool
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., display_name: _Optional[str] = ..., description: _Optional[str] = ..., type: _Optional[_Union[Definition.Type, str]] = ..., owner_id: _Optional[str] = ..., visibility: _Optional[_Union[Definition.Visibility, str]] = ..., tags: _Optional[_Iterable[str]] = ..., compliance: _Optional[_Iterable[str]] = ..., cost_tier: _Optional[_Union[Definition.CostTier, str]] = ..., icon: _Optional[str] = ..., etag: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., updated_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., latest_version: _Optional[str] = ..., star_count: _Optional[int] = ..., starred: _Optional[bool] = ..., deprecated: _Optional[bool] = ...) -> None: ...

class Version(_message.Message):
    __slots__ = ("id", "definition_id", "definition_name", "type", "version", "llm_prompt_agent", "jupyter_notebook", "python_script", "typescript_script", "streamlit_app", "mcp", "ai_assistant", "data", "utility", "output", "input_schema", "output_schema", "data_source_ids", "data_sources", "tags", "changelog", "created_at", "created_by", "deprecated_at", "deprecation_message", "config_digest", "effect", "network_hosts", "secret_ids", "secrets", "status", "draft", "tools")
    class Status(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATUS_UNSPECIFIED: _ClassVar[Version.Status]
        DRAFT: _ClassVar[Version.Status]
        PUBLISHED: _ClassVar[Version.Status]
        DEPRECATED: _ClassVar[Version.Status]
    STATUS_UNSPECIFIED: Version.Status
    DRAFT: Version.Status
    PUBLISHED: Version.Status
    DEPRECATED: Version.Status
    ID_FIELD_NUMBER: _ClassVar[int]
    DEFINITION_ID_FIELD_NUMBER: _ClassVar[int]
    DEFINITION_NAME_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    LLM_PROMPT_AGENT_FIELD_NUMBER: _ClassVar[int]
    JUPYTER_NOTEBOOK_FIELD_NUMBER: _ClassVar[int]
    PYTHON_SCRIPT_FIELD_NUMBER: _ClassVar[int]
    TYPESCRIPT_SCRIPT_FIELD_NUMBER: _ClassVar[int]
    STREAMLIT_APP_FIELD_NUMBER: _ClassVar[int]
    MCP_FIELD_NUMBER: _ClassVar[int]
    AI_ASSISTANT_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    UTILITY_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    INPUT_SCHEMA_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_SCHEMA_FIELD_NUMBER: _ClassVar[int]
    DATA_SOURCE_IDS_FIELD_NUMBER: _ClassVar[int]
    DATA_SOURCES_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    CHANGELOG_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    CREATED_BY_FIELD_NUMBER: _ClassVar[int]
    DEPRECATED_AT_FIELD_NUMBER: _ClassVar[int]
    DEPRECATION_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    CONFIG_DIGEST_FIELD_NUMBER: _ClassVar[int]
    EFFECT_FIELD_NUMBER: _ClassVar[int]
    NETWORK_HOSTS_FIELD_NUMBER: _ClassVar[int]
    SECRET_IDS_FIELD_NUMBER: _ClassVar[int]
    SECRETS_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    DRAFT_FIELD_NUMBER: _ClassVar[int]
    TOOLS_FIELD_NUMBER: _ClassVar[int]
    id: str
    definition_id: str
    definition_name: str
    type: Definition.Type
    version: str
    llm_prompt_agent: LlmPromptAgentConfig
    jupyter_notebook: JupyterNotebookConfig
    python_script: PythonScriptConfig
    typescript_script: TypescriptScriptConfig
    streamlit_app: StreamlitAppConfig
    mcp: McpConfig
    ai_assistant: AiAssistantConfig
    data: DataConfig
    utility: UtilityConfig
    output: OutputConfig
    input_schema: _struct_pb2.Struct
    output_schema: _struct_pb2.Struct
    data_source_ids: _containers.RepeatedScalarFieldContainer[str]
    data_sources: _containers.RepeatedCompositeFieldContainer[DataSourceLink]
    tags: _containers.RepeatedScalarFieldContainer[str]
    changelog: str
    created_at: _timestamp_pb2.Timestamp
    created_by: str
    deprecated_at: _timestamp_pb2.Timestamp
    deprecation_message: str
    config_digest: str
    effect: str
    network_hosts: _containers.RepeatedScalarFieldContainer[str]
    secret_ids: _containers.RepeatedScalarFieldContainer[str]
    secrets: _containers.RepeatedCompositeFieldContainer[SecretLink]
    status: Version.Status
    draft: bool
    tools: _containers.RepeatedCompositeFieldContainer[ComponentTool]
    def __init__(self, id: _Optional[str] = ..., definition_id: _Optional[str] = ..., definition_name: _Optional[str] = ..., type: _Optional[_Union[Definition.Type, str]] = ..., version: _Optional[str] = ..., llm_prompt_agent: _Optional[_Union[LlmPromptAgentConfig, _Mapping]] = ..., jupyter_notebook: _Optional[_Union[JupyterNotebookConfig, _Mapping]] = ..., python_script: _Optional[_Union[PythonScriptConfig, _Mapping]] = ..., typescript_script: _Optional[_Union[TypescriptScriptConfig, _Mapping]] = ..., streamlit_app: _Optional[_Union[StreamlitAppConfig, _Mapping]] = ..., mcp: _Optional[_Union[McpConfig, _Mapping]] = ..., ai_assistant: _Optional[_Union[AiAssistantConfig, _Mapping]] = ..., data: _Optional[_Union[DataConfig, _Mapping]] = ..., utility: _Optional[_Union[UtilityConfig, _Mapping]] = ..., output: _Optional[_Union[OutputConfig, _Mapping]] = ..., input_schema: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., output_schema: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., data_source_ids: _Optional[_Iterable[str]] = ..., data_sources: _Optional[_Iterable[_Union[DataSourceLink, _Mapping]]] = ..., tags: _Optional[_Iterable[str]] = ..., changelog: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., created_by: _Optional[str] = ..., deprecated_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., deprecation_message: _Optional[str] = ..., config_digest: _Optional[str] = ..., effect: _Optional[str] = ..., network_hosts: _Optional[_Iterable[str]] = ..., secret_ids: _Optional[_Iterable[str]] = ..., secrets: _Optional[_Iterable[_Union[SecretLink, _Mapping]]] = ..., status: _Optional[_Union[Version.Status, str]] = ..., draft: _Optional[bool] = ..., tools: _Optional[_Iterable[_Union[ComponentTool, _Mapping]]] = ...) -> None: ...

class ComponentTool(_message.Message):
    __slots__ = ("name", "version_id", "component", "description", "input_schema")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_ID_FIELD_NUMBER: _ClassVar[int]
    COMPONENT_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    INPUT_SCHEMA_FIELD_NUMBER: _ClassVar[int]
    name: str
    version_id: str
    component: str
    description: str
    input_schema: _struct_pb2.Struct
    def __init__(self, name: _Optional[str] = ..., version_id: _Optional[str] = ..., component: _Optional[str] = ..., description: _Optional[str] = ..., input_schema: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class DataSourceLink(_message.Message):
    __slots__ = ("id", "name")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ...) -> None: ...

class SecretLink(_message.Message):
    __slots__ = ("id", "name")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ...) -> None: ...

class LlmPromptAgentConfig(_message.Message):
    __slots__ = ("model", "system_prompt", "user_prompt_template", "temperature", "max_tokens", "top_p", "top_k", "provider", "base_url", "secret", "response_schema", "timeout", "input_price", "output_price", "max_retries")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    SYSTEM_PROMPT_FIELD_NUMBER: _ClassVar[int]
    USER_PROMPT_TEMPLATE_FIELD_NUMBER: _ClassVar[int]
    TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    MAX_TOKENS_FIELD_NUMBER: _ClassVar[int]
    TOP_P_FIELD_NUMBER: _ClassVar[int]
    TOP_K_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    BASE_URL_FIELD_NUMBER: _ClassVar[int]
    SECRET_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_SCHEMA_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    INPUT_PRICE_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_PRICE_FIELD_NUMBER: _ClassVar[int]
    MAX_RETRIES_FIELD_NUMBER: _ClassVar[int]
    model: str
    system_prompt: str
    user_prompt_template: str
    temperature: float
    max_tokens: int
    top_p: float
    top_k: int
    provider: str
    base_url: str
    secret: str
    response_schema: _struct_pb2.Struct
    timeout: _duration_pb2.Duration
    input_price: float
    output_price: float
    max_retries: int
    def __init__(self, model: _Optional[str] = ..., system_prompt: _Optional[str] = ..., user_prompt_template: _Optional[str] = ..., temperature: _Optional[float] = ..., max_tokens: _Optional[int] = ..., top_p: _Optional[float] = ..., top_k: _Optional[int] = ..., provider: _Optional[str] = ..., base_url: _Optional[str] = ..., secret: _Optional[str] = ..., response_schema: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., input_price: _Optional[float] = ..., output_price: _Optional[float] = ..., max_retries: _Optional[int] = ...) -> None: ...

class JupyterNotebookConfig(_message.Message):
    __slots__ = ("notebook_cells", "parameters", "timeout", "ipynb", "requirements")
    class Cell(_message.Message):
        __slots__ = ("id", "type", "content", "tags")
        ID_FIELD_NUMBER: _ClassVar[int]
        TYPE_FIELD_NUMBER: _ClassVar[int]
        CONTENT_FIELD_NUMBER: _ClassVar[int]
        TAGS_FIELD_NUMBER: _ClassVar[int]
        id: str
        type: str
        content: str
        tags: _containers.RepeatedScalarFieldContainer[str]
        def __init__(self, id: _Optional[str] = ..., type: _Optional[str] = ..., content: _Optional[str] = ..., tags: _Optional[_Iterable[str]] = ...) -> None: ...
    NOTEBOOK_CELLS_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    IPYNB_FIELD_NUMBER: _ClassVar[int]
    REQUIREMENTS_FIELD_NUMBER: _ClassVar[int]
    notebook_cells: _containers.RepeatedCompositeFieldContainer[JupyterNotebookConfig.Cell]
    parameters: _struct_pb2.Struct
    timeout: _duration_pb2.Duration
    ipynb: str
    requirements: str
    def __init__(self, notebook_cells: _Optional[_Iterable[_Union[JupyterNotebookConfig.Cell, _Mapping]]] = ..., parameters: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., ipynb: _Optional[str] = ..., requirements: _Optional[str] = ...) -> None: ...

class PythonScriptConfig(_message.Message):
    __slots__ = ("code_content", "requirements", "timeout")
    CODE_CONTENT_FIELD_NUMBER: _ClassVar[int]
    REQUIREMENTS_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    code_content: str
    requirements: str
    timeout: _duration_pb2.Duration
    def __init__(self, code_content: _Optional[str] = ..., requirements: _Optional[str] = ..., timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class TypescriptScriptConfig(_message.Message):
    __slots__ = ("code_content", "timeout")
    CODE_CONTENT_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    code_content: str
    timeout: _duration_pb2.Duration
    def __init__(self, code_content: _Optional[str] = ..., timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class StreamlitAppConfig(_message.Message):
    __slots__ = ("git_repo_url", "main_script_path", "requirements", "files", "idle_timeout", "git_ref")
    class File(_message.Message):
        __slots__ = ("path", "content")
        PATH_FIELD_NUMBER: _ClassVar[int]
        CONTENT_FIELD_NUMBER: _ClassVar[int]
        path: str
        content: str
        def __init__(self, path: _Optional[str] = ..., content: _Optional[str] = ...) -> None: ...
    GIT_REPO_URL_FIELD_NUMBER: _ClassVar[int]
    MAIN_SCRIPT_PATH_FIELD_NUMBER: _ClassVar[int]
    REQUIREMENTS_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    IDLE_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    GIT_REF_FIELD_NUMBER: _ClassVar[int]
    git_repo_url: str
    main_script_path: str
    requirements: str
    files: _containers.RepeatedCompositeFieldContainer[StreamlitAppConfig.File]
    idle_timeout: _duration_pb2.Duration
    git_ref: str
    def __init__(self, git_repo_url: _Optional[str] = ..., main_script_path: _Optional[str] = ..., requirements: _Optional[str] = ..., files: _Optional[_Iterable[_Union[StreamlitAppConfig.File, _Mapping]]] = ..., idle_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., git_ref: _Optional[str] = ...) -> None: ...

class McpConfig(_message.Message):
    __slots__ = ("mcp_configuration", "tool", "server", "timeout", "call_timeout", "pinned_tools", "requirements", "files")
    class PinnedToolsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class File(_message.Message):
        __slots__ = ("path", "content")
        PATH_FIELD_NUMBER: _ClassVar[int]
        CONTENT_FIELD_NUMBER: _ClassVar[int]
        path: str
        content: str
        def __init__(self, path: _Optional[str] = ..., content: _Optional[str] = ...) -> None: ...
    MCP_CONFIGURATION_FIELD_NUMBER: _ClassVar[int]
    TOOL_FIELD_NUMBER: _ClassVar[int]
    SERVER_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    CALL_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    PINNED_TOOLS_FIELD_NUMBER: _ClassVar[int]
    REQUIREMENTS_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    mcp_configuration: str
    tool: str
    server: str
    timeout: _duration_pb2.Duration
    call_timeout: _duration_pb2.Duration
    pinned_tools: _containers.ScalarMap[str, str]
    requirements: str
    files: _containers.RepeatedCompositeFieldContainer[McpConfig.File]
    def __init__(self, mcp_configuration: _Optional[str] = ..., tool: _Optional[str] = ..., server: _Optional[str] = ..., timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., call_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., pinned_tools: _Optional[_Mapping[str, str]] = ..., requirements: _Optional[str] = ..., files: _Optional[_Iterable[_Union[McpConfig.File, _Mapping]]] = ...) -> None: ...

class AiAssistantConfig(_message.Message):
    __slots__ = ("model", "system_prompt", "user_prompt_template", "temperature", "max_tokens", "top_p", "top_k", "provider", "base_url", "secret", "response_schema", "timeout", "input_price", "output_price", "max_retries", "tools", "max_turns", "max_tokens_total", "max_cost")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    SYSTEM_PROMPT_FIELD_NUMBER: _ClassVar[int]
    USER_PROMPT_TEMPLATE_FIELD_NUMBER: _ClassVar[int]
    TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    MAX_TOKENS_FIELD_NUMBER: _ClassVar[int]
    TOP_P_FIELD_NUMBER: _ClassVar[int]
    TOP_K_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    BASE_URL_FIELD_NUMBER: _ClassVar[int]
    SECRET_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_SCHEMA_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    INPUT_PRICE_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_PRICE_FIELD_NUMBER: _ClassVar[int]
    MAX_RETRIES_FIELD_NUMBER: _ClassVar[int]
    TOOLS_FIELD_NUMBER: _ClassVar[int]
    MAX_TURNS_FIELD_NUMBER: _ClassVar[int]
    MAX_TOKENS_TOTAL_FIELD_NUMBER: _ClassVar[int]
    MAX_COST_FIELD_NUMBER: _ClassVar[int]
    model: str
    system_prompt: str
    user_prompt_template: str
    temperature: float
    max_tokens: int
    top_p: float
    top_k: int
    provider: str
    base_url: str
    secret: str
    response_schema: _struct_pb2.Struct
    timeout: _duration_pb2.Duration
    input_price: float
    output_price: float
    max_retries: int
    tools: _containers.RepeatedCompositeFieldContainer[AssistantTool]
    max_turns: int
    max_tokens_total: int
    max_cost: float
    def __init__(self, model: _Optional[str] = ..., system_prompt: _Optional[str] = ..., user_prompt_template: _Optional[str] = ..., temperature: _Optional[float] = ..., max_tokens: _Optional[int] = ..., top_p: _Optional[float] = ..., top_k: _Optional[int] = ..., provider: _Optional[str] = ..., base_url: _Optional[str] = ..., secret: _Optional[str] = ..., response_schema: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., input_price: _Optional[float] = ..., output_price: _Optional[float] = ..., max_retries: _Optional[int] = ..., tools: _Optional[_Iterable[_Union[AssistantTool, _Mapping]]] = ..., max_turns: _Optional[int] = ..., max_tokens_total: _Optional[int] = ..., max_cost: _Optional[float] = ...) -> None: ...

class AssistantTool(_message.Message):
    __slots__ = ("data_source", "component")
    DATA_SOURCE_FIELD_NUMBER: _ClassVar[int]
    COMPONENT_FIELD_NUMBER: _ClassVar[int]
    data_source: str
    component: str
    def __init__(self, data_source: _Optional[str] = ..., component: _Optional[str] = ...) -> None: ...

class DataConfig(_message.Message):
    __slots__ = ("value", "query", "file", "sql", "max_rows", "timeout")
    class Query(_message.Message):
        __slots__ = ("data_source", "sql", "max_rows")
        DATA_SOURCE_FIELD_NUMBER: _ClassVar[int]
        SQL_FIELD_NUMBER: _ClassVar[int]
        MAX_ROWS_FIELD_NUMBER: _ClassVar[int]
        data_source: str
        sql: str
        max_rows: int
        def __init__(self, data_source: _Optional[str] = ..., sql: _Optional[str] = ..., max_rows: _Optional[int] = ...) -> None: ...
    class File(_message.Message):
        __slots__ = ("format", "content")
        FORMAT_FIELD_NUMBER: _ClassVar[int]
        CONTENT_FIELD_NUMBER: _ClassVar[int]
        format: str
        content: str
        def __init__(self, format: _Optional[str] = ..., content: _Optional[str] = ...) -> None: ...
    VALUE_FIELD_NUMBER: _ClassVar[int]
    QUERY_FIELD_NUMBER: _ClassVar[int]
    FILE_FIELD_NUMBER: _ClassVar[int]
    SQL_FIELD_NUMBER: _ClassVar[int]
    MAX_ROWS_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    value: _struct_pb2.Value
    query: DataConfig.Query
    file: DataConfig.File
    sql: str
    max_rows: int
    timeout: _duration_pb2.Duration
    def __init__(self, value: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ..., query: _Optional[_Union[DataConfig.Query, _Mapping]] = ..., file: _Optional[_Union[DataConfig.File, _Mapping]] = ..., sql: _Optional[str] = ..., max_rows: _Optional[int] = ..., timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class UtilityConfig(_message.Message):
    __slots__ = ("expression",)
    EXPRESSION_FIELD_NUMBER: _ClassVar[int]
    expression: str
    def __init__(self, expression: _Optional[str] = ...) -> None: ...

class OutputConfig(_message.Message):
    __slots__ = ("report", "chart", "file", "table", "webhook", "timeout")
    class Report(_message.Message):
        __slots__ = ("template", "format", "name")
        TEMPLATE_FIELD_NUMBER: _ClassVar[int]
        FORMAT_FIELD_NUMBER: _ClassVar[int]
        NAME_FIELD_NUMBER: _ClassVar[int]
        template: str
        format: str
        name: str
        def __init__(self, template: _Optional[str] = ..., format: _Optional[str] = ..., name: _Optional[str] = ...) -> None: ...
    class Chart(_message.Message):
        __slots__ = ("vega_lite", "format", "name", "scale")
        VEGA_LITE_FIELD_NUMBER: _ClassVar[int]
        FORMAT_FIELD_NUMBER: _ClassVar[int]
        NAME_FIELD_NUMBER: _ClassVar[int]
        SCALE_FIELD_NUMBER: _ClassVar[int]
        vega_lite: _struct_pb2.Struct
        format: str
        name: str
        scale: float
        def __init__(self, vega_lite: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., format: _Optional[str] = ..., name: _Optional[str] = ..., scale: _Optional[float] = ...) -> None: ...
    class File(_message.Message):
        __slots__ = ("name", "media_type", "template")
        NAME_FIELD_NUMBER: _ClassVar[int]
        MEDIA_TYPE_FIELD_NUMBER: _ClassVar[int]
        TEMPLATE_FIELD_NUMBER: _ClassVar[int]
        name: str
        media_type: str
        template: str
        def __init__(self, name: _Optional[str] = ..., media_type: _Optional[str] = ..., template: _Optional[str] = ...) -> None: ...
    class Table(_message.Message):
        __slots__ = ("data_source", "table", "mode")
        DATA_SOURCE_FIELD_NUMBER: _ClassVar[int]
        TABLE_FIELD_NUMBER: _ClassVar[int]
        MODE_FIELD_NUMBER: _ClassVar[int]
        data_source: str
        table: str
        mode: str
        def __init__(self, data_source: _Optional[str] = ..., table: _Optional[str] = ..., mode: _Optional[str] = ...) -> None: ...
    class Webhook(_message.Message):
        __slots__ = ("url", "secret")
        URL_FIELD_NUMBER: _ClassVar[int]
        SECRET_FIELD_NUMBER: _ClassVar[int]
        url: str
        secret: str
        def __init__(self, url: _Optional[str] = ..., secret: _Optional[str] = ...) -> None: ...
    REPORT_FIELD_NUMBER: _ClassVar[int]
    CHART_FIELD_NUMBER: _ClassVar[int]
    FILE_FIELD_NUMBER: _ClassVar[int]
    TABLE_FIELD_NUMBER: _ClassVar[int]
    WEBHOOK_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    report: OutputConfig.Report
    chart: OutputConfig.Chart
    file: OutputConfig.File
    table: OutputConfig.Table
    webhook: OutputConfig.Webhook
    timeout: _duration_pb2.Duration
    def __init__(self, report: _Optional[_Union[OutputConfig.Report, _Mapping]] = ..., chart: _Optional[_Union[OutputConfig.Chart, _Mapping]] = ..., file: _Optional[_Union[OutputConfig.File, _Mapping]] = ..., table: _Optional[_Union[OutputConfig.Table, _Mapping]] = ..., webhook: _Optional[_Union[OutputConfig.Webhook, _Mapping]] = ..., timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class ComponentType(_message.Message):
    __slots__ = ("type", "name", "description", "config_field", "config_schema", "example", "icon", "inputs_inferred", "config_required")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    CONFIG_FIELD_FIELD_NUMBER: _ClassVar[int]
    CONFIG_SCHEMA_FIELD_NUMBER: _ClassVar[int]
    EXAMPLE_FIELD_NUMBER: _ClassVar[int]
    ICON_FIELD_NUMBER: _ClassVar[int]
    INPUTS_INFERRED_FIELD_NUMBER: _ClassVar[int]
    CONFIG_REQUIRED_FIELD_NUMBER: _ClassVar[int]
    type: Definition.Type
    name: str
    description: str
    config_field: str
    config_schema: _struct_pb2.Struct
    example: _struct_pb2.Struct
    icon: str
    inputs_inferred: bool
    config_required: bool
    def __init__(self, type: _Optional[_Union[Definition.Type, str]] = ..., name: _Optional[str] = ..., description: _Optional[str] = ..., config_field: _Optional[str] = ..., config_schema: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., example: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., icon: _Optional[str] = ..., inputs_inferred: _Optional[bool] = ..., config_required: _Optional[bool] = ...) -> None: ...
